"""Decodes image files of every kind to 8 bits of grey or RGB, for training and metrics.

Colours become grey by the luma of ITU-R BT.601. Transparent images are laid over black, the colour of padding. 16-bit
values are divided by 257, so that 65535 becomes 255 and none is clipped.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy
from PIL import Image

from saddlepoint.image_files import png
from saddlepoint.image_files.errors import DAMAGED, Unreadable
from saddlepoint.image_files.levels import to_eight_bits
from saddlepoint.image_files.opening import MOST_PIXELS, Limits, open_image
from saddlepoint.image_files.packed import Place
from saddlepoint.image_files.source import ORIENTATION, UPRIGHT, Source

__all__ = ["MODES", "MOST_PIXELS", "Draft", "Header", "Limits", "Unreadable", "decode", "decode_opened", "drafted",
           "header_of", "upright_sides"]

MODES = {1: "L", 3: "RGB"}  # by number of channels
TRANSPOSED = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
              5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
              8: Image.Transpose.ROTATE_90}  # as stored -> upright, by EXIF's number
SIDEWAYS = (5, 6, 7, 8)  # those of which width and height are stored in each other's place


class Header(NamedTuple):
    """What the header of an image file tells of its image."""

    width: int  # as stored: an image that EXIF turns by 90 degrees has this height once it is decoded
    height: int
    channels: int  # 1: grey, 3: colour
    losses: tuple[str, ...]  # what decoding loses, in words that are the same for all files of a kind


def header_of(path: Place, limits: Limits) -> Header:
    """Reads the header alone, without decoding. Raises Unreadable."""
    with open_image(path if isinstance(path, Path) else path.in_parts(), limits) as source:
        if source.is_plain:
            return Header(*source.size, 1 if source.is_grey else 3, ())
        losses = source.losses()
        if source.is_deep:
            losses.append("more than 8 bits a channel became 8")
        if source.has_alpha:
            losses.append("what is transparent was laid over black")
        if source.has_several:
            losses.append("of several pictures in a file the first is used")
        return Header(*source.size, 1 if source.is_grey else 3, tuple(losses))


def upright_sides(path: Place, header: Header, limits: Limits) -> tuple[int, int]:
    """Returns the width and height that `decode` gives. Of PNG files it decodes those that are not square and have EXIF
    data, which may follow the pixels; of others none. Raises Unreadable."""
    sides = header.width, header.height
    if header.width == header.height:
        return sides
    with open_image(path, limits) as source:
        kind = source.image.format if source.image is not None else "TIFF"
        if kind == "PNG" and not _may_be_turned(path):
            return sides
        number = source.orientation() if kind in ("PNG", "TIFF") else _orientation_in_header(source.image)
    return sides[::-1] if number in SIDEWAYS else sides


def _may_be_turned(path: Place) -> bool:
    with path.open("rb") as stream:
        return png.may_be_turned(stream)


def decode(path: Place, channels: int, limits: Limits) -> Image.Image:
    """Returns the image in mode L (`channels` 1) or RGB (3), upright as its EXIF data says. Of several pictures in one
    file it reads the first. Raises Unreadable."""
    with open_image(path, limits) as source:
        return decode_opened(source, channels, limits)


def decode_opened(source: Source, channels: int, limits: Limits) -> Image.Image:
    """Does what `decode` does with a file that was opened, in the block that opens it."""
    image = _as_image(to_eight_bits(source.pixels(limits.white))) if source.has_own_reader else _upright(source)
    return in_channels(image, channels)


def in_channels(image: Image.Image, channels: int) -> Image.Image:
    """Returns an image in mode L (`channels` 1) or RGB (3), what is transparent over black."""
    return _in_mode(_without_transparency(image), MODES[channels])


class Draft(NamedTuple):
    """A picture that may have been decoded at a half, a quarter or an eighth of its size.

    image: what was decoded
    size: width and height of the whole picture, upright
    extent: width and height of `image` that the picture takes: its size divided, which need not be a whole number
    """

    image: Image.Image
    size: tuple[int, int]
    extent: tuple[float, float]


def drafted(path: Place, channels: int, limits: Limits, least: Callable[[int, int], tuple[int, int]]) -> Draft:
    """Decodes as `decode` does, but a JPEG file at an eighth, a quarter or half of its size if that is at least
    `least(width, height)`: libjpeg then leaves out what is finer, in a fraction of the time. Files of other formats,
    and those that EXIF turns, are decoded whole. Raises Unreadable."""
    with open_image(path, limits) as source:
        if source.is_plain and source.image.format == "JPEG" and _orientation_in_header(source.image) == UPRIGHT:
            image, size = source.image, source.size
            _, (_, _, *extent) = image.draft(None, least(*size)) or (None, (0, 0, *size))
            return Draft(_in_mode(image, MODES[channels]), size, tuple(extent))
    image = decode(path, channels, limits)
    return Draft(image, image.size, image.size)


def _orientation_in_header(image: Image.Image) -> int:
    """Returns the orientation as EXIF numbers it, without decoding a file whose EXIF data stands before its pixels."""
    try:
        return image.getexif().get(ORIENTATION, UPRIGHT)
    except DAMAGED:
        return UPRIGHT


def _as_image(pixels: numpy.ndarray) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _upright(source: Source) -> Image.Image:
    number = source.orientation()
    return source.image if number == UPRIGHT else source.image.transpose(TRANSPOSED[number])


def _without_transparency(image: Image.Image) -> Image.Image:
    """Converts to a mode without alpha; palettes and the rarer colour spaces become RGB."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image if image.mode in ("1", "L", "RGB") else image.convert("RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Returns the image in a mode, decoded. Pillow would copy one that has it, which an image that needs nothing more
    of its file can do without."""
    if image.mode != mode or image.format not in ("JPEG", "PNG"):
        return image.convert(mode)
    image.load()
    return image
