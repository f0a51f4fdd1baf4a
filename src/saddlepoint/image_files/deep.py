"""Reads pixels of other than 8 bits a colour: Pillow would cut more bits to 8, and would show fewer too dark.

There is a reader for each format. It takes a file's whole content and returns uint8 or uint16 [h, w] or [h, w, C], not
yet turned upright. imagecodecs decodes, but does not say how many bits a value has; that is read from the header
here."""

import functools
import importlib
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy
from PIL import Image

from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.levels import bits_to_levels

HEADER = 1 << 16  # bytes from the beginning, in which each format says how many bits its colours have
SIZ = b"\xff\x4f\xff\x51"  # JPEG 2000 (ISO 15444-1, A.5.1): the codestream and its first marker
TO_DEPTH = 42  # bytes from there to the first component's depth
NEVER_CUT = ("JPEG", "MPO", "PNG", "WEBP", "GIF")  # formats of at most 8 bits, or with a reader here


class Reader(NamedTuple):
    """A function from a file's content to pixels."""

    decode: Callable[[bytes], numpy.ndarray]
    bits: int = 16  # of a colour in the file


def find_reader(image: Image.Image) -> Reader | None:
    """Returns the function that reads all bits of the opened file, or None if Pillow reads them all."""
    find = _FINDERS.get(image.format)
    return find(image) if find else None


def is_cut_by_pillow(image: Image.Image) -> bool:
    """Returns whether the file has more than 8 bits a colour but only 8 are read, as there is no reader for it."""
    if image.format in NEVER_CUT or not image.tile or image.mode.startswith("I"):
        return False
    codec, layout = image.tile[0].codec_name, image.tile[0].args
    if codec == "ppm_plain":
        return layout[0] != "1" and layout[-1] > 255
    return ";16" in str(layout) and image.format != "BMP" or codec == "SGI16"  # a pixel of a BMP, not a colour of it


def is_grey_with_alpha(image: Image.Image) -> bool:
    """Returns whether this is a PNG of 16-bit grey with alpha, which Pillow opens as one of colours."""
    return bool(image.tile) and str(image.tile[0].args).startswith("LA;16")


def _decode(codec: str, content: bytes) -> numpy.ndarray:
    decode = getattr(importlib.import_module("imagecodecs"), f"{codec}_decode")
    try:
        return decode(content)
    except RuntimeError as error:
        raise Unreadable(f"it is damaged or breaks off ({error})") from error


def _png(image: Image.Image) -> Reader | None:
    layout = str(image.tile[0].args) if image.tile else ""  # how the pixels lie in the file, e.g. RGB;16B
    if ";16" not in layout:
        return None
    if image.mode.startswith("I") and "transparency" not in image.info:
        return None  # Pillow has 16 bits for grey alone
    return Reader(functools.partial(_decode, "png"))


def _ppm(image: Image.Image) -> Reader | None:
    """Returns a reader of P6 files whose white is above 255: values of two bytes, the more significant first
    (https://netpbm.sourceforge.net/doc/ppm.html)."""
    tile = image.tile[0]
    if image.mode != "RGB" or tile.codec_name != "ppm" or tile.args[1] <= 255:
        return None
    (width, height), white, begin = image.size, tile.args[1], tile.offset

    def read(content: bytes) -> numpy.ndarray:
        values = numpy.frombuffer(content, ">u2", width * height * 3, begin).reshape(height, width, 3)
        return bits_to_levels(values, 16, white)
    return Reader(read)


def _jpeg2000(image: Image.Image) -> Reader | None:
    header = _header(image)
    place = header.find(SIZ) + TO_DEPTH
    if place < TO_DEPTH or place >= len(header):
        return None
    bits, lowest = (header[place] & 127) + 1, 2**(header[place] & 127) if header[place] & 128 else 0  # 128: signed
    if bits == 8:
        return None
    return Reader(lambda content: bits_to_levels(_decode("jpeg2k", content).astype(numpy.int32) + lowest, bits), bits)


def _avif(image: Image.Image) -> Reader | None:
    """Returns a reader of files of 10 or 12 bits. Each has a flag in the AV1 configuration
    (https://aomediacodec.github.io/av1-isobmff/, 2.3.3)."""
    match = re.search(rb"av1C..(.)", _header(image), re.DOTALL)
    if not match or not (flags := match[1][0]) & 0x40:
        return None
    bits = 12 if flags & 0x20 else 10
    return Reader(lambda content: bits_to_levels(_decode("avif", content), bits), bits)


def _header(image: Image.Image) -> bytes:
    place = image.fp.tell()
    image.fp.seek(0)
    try:
        return image.fp.read(HEADER)
    finally:
        image.fp.seek(place)


_FINDERS = {"PNG": _png, "PPM": _ppm, "JPEG2000": _jpeg2000, "AVIF": _avif}
