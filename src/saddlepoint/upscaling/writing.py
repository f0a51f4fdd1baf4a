"""Writes pictures as image files, whole or not at all. What Pillow cannot write (16-bit colours, TIFF with EXIF data
and compression) is written here: PNG (https://www.w3.org/TR/png-3/) and TIFF 6.0 are a header and zlib streams."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from saddlepoint.files.atomic import write_atomically
from saddlepoint.image_files.metadata import EXIF_PARTS, XMP_IN_PNG, About
from saddlepoint.upscaling.picture import Picture, on_white, to_eight_bits, with_colours

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tiff": "TIFF"}  # by their usual ending
ENDINGS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".jfif": "jpg", ".webp": "webp", ".tif": "tiff",
           ".tiff": "tiff"}
MOST_PIXELS = {"jpg": 65500, "webp": 16383}  # of one side
LOSSY = ("jpg", "webp")
QUALITY = 95
MOST_XMP = 65_502  # bytes that a JPEG has room for
STRIP = 1 << 18  # bytes of pixels that are compressed at a time
EXIF_WIDTH, EXIF_HEIGHT = 0xA002, 0xA003
PNG_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour type by number of channels


def fitted(picture: Picture, kind: str) -> Picture:
    """Returns the part of the picture that a file of this kind can hold; what gets lost is noted."""
    notes = list(picture.notes)
    if kind in LOSSY and picture.colours.element_size() > 1:
        notes.append(f"16 bits became 8, all that {FORMATS[kind]} has")
        picture = to_eight_bits(picture)
    if kind == "jpg" and picture.alpha is not None:
        notes.append("laid on white, since JPEG has no transparency")
        picture = on_white(picture)
    if kind == "webp" and picture.about.icc_profile:
        picture = with_colours(replace(picture, notes=()))
        notes += picture.notes
    about, left_out = _sayable(picture.about, kind)
    return Picture(picture.colours, picture.alpha, about, (*notes, *left_out))


def _sayable(about: About, kind: str) -> tuple[About, list[str]]:
    """Returns the metadata that a file of this kind has a place for, and notes on the rest."""
    left_out = []
    if kind != "png" and about.png_chunks:
        left_out += [name.decode() for name, _ in about.png_chunks]
        about = replace(about, png_chunks=())
    if kind != "jpg" and about.comment:
        left_out.append("comment")
        about = replace(about, comment=None)
    if kind == "jpg" and about.xmp and len(about.xmp) > MOST_XMP:
        left_out.append("XMP")
        about = replace(about, xmp=None)
    names = ", ".join(dict.fromkeys(left_out))
    return about, [f"left out its {names}, for which {FORMATS[kind]} has no place"] if left_out else []


def write(path: Path, picture: Picture, kind: str, quality: int | None = None) -> None:
    """Writes `picture` as `fitted` returned it. kind: a key of FORMATS; quality: 1 to 100, of JPEG and WebP. Raises
    OSError and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(path, lambda temporary: _write(temporary, picture, kind, quality))
    except (ValueError, struct.error, OverflowError) as error:  # more EXIF data than JPEG takes, a TIFF over 4 GB, ...
        raise OSError(f"it cannot be written as {FORMATS[kind]}: {error}") from error


def _write(path: Path, picture: Picture, kind: str, quality: int | None) -> None:
    pixels, about = picture.pixels(), picture.about
    camera = about.exif.get_ifd(EXIF_PARTS[0])
    if EXIF_WIDTH in camera or EXIF_HEIGHT in camera:
        camera[EXIF_WIDTH], camera[EXIF_HEIGHT] = picture.size
    with path.open("wb") as file:
        if kind == "tiff":
            _write_tiff(file, pixels, about)
        elif pixels.dtype == numpy.uint16:
            _write_deep_png(file, pixels, about)
        else:
            _with_pillow(file, pixels, about, kind, quality)


def _with_pillow(file: BinaryIO, pixels: numpy.ndarray, about: About, kind: str, quality: int | None) -> None:
    known = {"exif": about.exif if len(about.exif) else None, "icc_profile": about.icc_profile, "dpi": about.dpi}
    if kind == "png":
        known["pnginfo"] = _png_info(about)
    else:
        known |= {"xmp": about.xmp, "comment": about.comment}
    options: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
    if kind == "webp" and about.is_lossless and quality is None:
        options["lossless"] = True
    elif kind in LOSSY:
        options["quality"] = quality or QUALITY
    if kind == "jpg":
        options["subsampling"] = 0  # colours as sharp as brightness
    if kind == "webp":
        options["exact"] = True  # keep colours where they are transparent
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    (image.convert("RGBA") if kind == "webp" and image.mode == "LA" else image).save(file, FORMATS[kind], **options)


def _png_info(about: About) -> PngInfo:
    info = PngInfo()
    for name, data in about.png_chunks:
        info.add(name, data)
    if about.xmp:
        info.add_itxt(XMP_IN_PNG.decode(), about.xmp.decode("utf-8", "replace"))
    return info


def _write_deep_png(file: BinaryIO, pixels: numpy.ndarray, about: About) -> None:
    """pixels: uint16 [h, w, 1 to 4 channels]"""
    height, width, channels = pixels.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">2I5B", width, height, 16, PNG_KINDS[channels], 0, 0, 0))
    for name, data in about.png_chunks:
        if not (name == b"sRGB" and about.icc_profile):
            _chunk(file, name, data)
    if about.xmp:
        _chunk(file, b"iTXt", XMP_IN_PNG + bytes(5) + about.xmp)  # not compressed, no language, no translation
    if about.icc_profile:
        _chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(about.icc_profile))
    if about.dpi:
        _chunk(file, b"pHYs", struct.pack(">2IB", *(round(dots / 0.0254) for dots in about.dpi), 1))  # per metre
    if len(about.exif):
        _chunk(file, b"eXIf", about.exif.tobytes().removeprefix(b"Exif\0\0"))
    compressor, above = zlib.compressobj(6), numpy.zeros(width * channels * 2, numpy.uint8)
    for rows in _strips(pixels):
        levels = numpy.ascontiguousarray(rows.astype(">u2")).view(numpy.uint8).reshape(len(rows), -1)
        differences = levels - numpy.vstack([above, levels[:-1]])  # the filter "Up", number 2
        filtered = numpy.insert(differences, 0, 2, axis=1)
        above = levels[-1]
        if data := compressor.compress(filtered.tobytes()):
            _chunk(file, b"IDAT", data)
    _chunk(file, b"IDAT", compressor.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def _write_tiff(file: BinaryIO, pixels: numpy.ndarray, about: About) -> None:
    """pixels: uint8 or uint16 [h, w, 1 to 4 channels]; deflated differences of neighbours, which loses nothing"""
    height, width, channels = pixels.shape
    strips = []
    for rows in _strips(pixels):
        differences = rows.copy()
        differences[:, 1:] -= rows[:, :-1]
        strips.append(zlib.compress(differences.astype(differences.dtype.newbyteorder("<")).tobytes()))
    lengths = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag in {*about.exif} - {*EXIF_PARTS}:
        directory[tag] = about.exif[tag]
    for tag in EXIF_PARTS:
        if part := about.exif.get_ifd(tag):
            directory[tag] = part
    directory[256], directory[257] = width, height
    directory[258] = (pixels.itemsize * 8,) * channels
    directory[259], directory[317] = 8, 2  # deflate, differences
    directory[262] = 1 if channels < 3 else 2  # grey from black, or RGB
    directory[277], directory[278] = channels, len(next(_strips(pixels)))
    directory[273] = tuple(accumulate(lengths[:-1], initial=0))  # Pillow adds where pixels begin
    directory[279] = tuple(lengths)
    if channels % 2 == 0:
        directory[338] = 2  # the last channel is alpha, and colours are not multiplied by it
    if about.icc_profile:
        directory[34675] = about.icc_profile
    if about.xmp:
        directory[700] = about.xmp
        directory.tagtype[700] = 1  # bytes
    if about.dpi:
        directory[282], directory[283], directory[296] = *about.dpi, 2
    directory.save(file)
    file.writelines(strips)


def _strips(pixels: numpy.ndarray) -> Iterator[numpy.ndarray]:
    rows = max(1, STRIP // pixels[0].nbytes)
    for first in range(0, len(pixels), rows):
        yield pixels[first:first + rows]
