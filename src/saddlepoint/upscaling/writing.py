"""Writes pictures as image files, whole or not at all. Pillow writes most of them. PNG with 16-bit colours and
compressed TIFF with EXIF data, which it cannot write, are written here after https://www.w3.org/TR/png-3/ and TIFF
6.0."""

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
from saddlepoint.image_files.metadata import EXIF_DIRECTORIES, XMP_IN_PNG, Metadata
from saddlepoint.upscaling.picture import Picture, lay_on_white, to_eight_bits, to_three_channels

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tiff": "TIFF"}  # usual ending -> Pillow's name
ENDINGS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".jfif": "jpg", ".webp": "webp", ".tif": "tiff",
           ".tiff": "tiff"}
MOST_PIXELS = {"jpg": 65500, "webp": 16383}  # of a side
LOSSY = ("jpg", "webp")
QUALITY = 95
MOST_EXIF, MOST_XMP = 65_533, 65_502  # bytes that a JPEG has room for
STRIP = 1 << 18  # bytes of pixels that are compressed together
X_RESOLUTION, EXIF_WIDTH, EXIF_HEIGHT = 0x011A, 0xA002, 0xA003  # tags
INTEROPERABILITY = 0xA005  # the tag of a directory within that of the camera's settings
HDR_CHUNKS = (b"mDCV", b"cLLI")  # of a PNG: for which screen its colours were mastered, and how bright they are
PNG_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour type by number of channels


def fit_to_format(picture: Picture, kind: str) -> Picture:
    """Returns the picture as a file of this kind can hold it: in 8 bits, without transparency, or without some of its
    metadata. Its notes say what was lost. kind: a key of FORMATS."""
    notes = list(picture.notes)
    if kind in LOSSY and picture.colours.element_size() > 1:
        notes.append(f"16 bits became 8, all that {FORMATS[kind]} has")
        picture = to_eight_bits(picture)
    if kind == "jpg" and picture.alpha is not None:
        notes.append("laid on white, since JPEG has no transparency")
        picture = lay_on_white(picture)
    if kind == "webp" and picture.metadata.icc_profile:
        picture = to_three_channels(replace(picture, notes=()))
        notes += picture.notes
    metadata, left_out = _storable_metadata(picture.metadata, kind)
    if kind == "png" and picture.colours.element_size() == 1:
        metadata, unwritten = _without_hdr_chunks(metadata)
        left_out += unwritten
    return Picture(picture.colours, picture.alpha, metadata, (*notes, *left_out))


def _storable_metadata(metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """Returns the metadata that a file of this kind can hold, and sentences about the rest, if any."""
    left_out, too_long = [], []
    if kind != "png" and metadata.png_chunks:
        left_out += [name.decode() for name, _ in metadata.png_chunks]
        metadata = replace(metadata, png_chunks=())
    if kind != "jpg" and metadata.comment:
        left_out.append("comment")
        metadata = replace(metadata, comment=None)
    if kind == "webp" and metadata.dpi:
        if X_RESOLUTION not in metadata.exif:
            left_out.append("resolution")
        metadata = replace(metadata, dpi=None)
    if kind == "jpg" and len(metadata.exif) and len(metadata.exif.tobytes()) > MOST_EXIF:
        too_long.append("EXIF")
        metadata = replace(metadata, exif=Image.Exif())
    if kind == "jpg" and metadata.xmp and len(metadata.xmp) > MOST_XMP:
        too_long.append("XMP")
        metadata = replace(metadata, xmp=None)
    names = ", ".join(dict.fromkeys(left_out))
    notes = [f"left out its {names}, for which {FORMATS[kind]} has no place"] if left_out else []
    return metadata, notes + [f"left out its {name} data, of more bytes than a JPEG takes" for name in too_long]


def _without_hdr_chunks(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Removes the chunks that Pillow, which writes PNG of 8 bits, cannot write; returns a sentence about them, if
    any."""
    names = [name.decode() for name, _ in metadata.png_chunks if name in HDR_CHUNKS]
    kept = tuple(chunk for chunk in metadata.png_chunks if chunk[0] not in HDR_CHUNKS)
    return (replace(metadata, png_chunks=kept),
            [f"left out its {', '.join(names)}: only 16-bit PNG files are written with such chunks"] if names else [])


def write(path: Path, picture: Picture, kind: str, quality: int | None = None) -> None:
    """Writes a picture that `fit_to_format` returned. kind: a key of FORMATS; quality: 1 to 100, of JPEG and WebP.
    Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(path, lambda temporary: _write(temporary, picture, kind, quality))
    except (ValueError, struct.error, OverflowError) as error:  # more EXIF data than JPEG takes, a TIFF over 4 GB, ...
        raise OSError(f"it cannot be written as {FORMATS[kind]}: {error}") from error


def _write(path: Path, picture: Picture, kind: str, quality: int | None) -> None:
    pixels, metadata = picture.pixels(), picture.metadata
    camera = metadata.exif.get_ifd(EXIF_DIRECTORIES[0])
    if EXIF_WIDTH in camera or EXIF_HEIGHT in camera:
        camera[EXIF_WIDTH], camera[EXIF_HEIGHT] = picture.size
    with path.open("wb") as file:
        if kind == "tiff":
            _write_tiff(file, pixels, metadata)
        elif pixels.dtype == numpy.uint16:
            _write_deep_png(file, pixels, metadata)
        else:
            _write_with_pillow(file, pixels, metadata, kind, quality)


def _write_with_pillow(file: BinaryIO, pixels: numpy.ndarray, metadata: Metadata, kind: str,
                       quality: int | None) -> None:
    values = {"exif": metadata.exif if len(metadata.exif) else None, "icc_profile": metadata.icc_profile,
             "dpi": metadata.dpi}
    if kind == "png":
        values["pnginfo"] = _png_info(metadata)
    else:
        values |= {"xmp": metadata.xmp, "comment": metadata.comment}
    options: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if kind == "webp" and metadata.is_lossless and quality is None:
        options["lossless"] = True
    elif kind in LOSSY:
        options["quality"] = quality or QUALITY
    if kind == "jpg":
        options["subsampling"] = 0  # colours as sharp as brightness
    if kind == "webp":
        options["exact"] = True  # keep colours where they are transparent
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    (image.convert("RGBA") if kind == "webp" and image.mode == "LA" else image).save(file, FORMATS[kind], **options)


def _png_info(metadata: Metadata) -> PngInfo:
    info = PngInfo()
    for name, data in metadata.png_chunks:
        info.add(name, data)
    if metadata.xmp:
        info.add_itxt(XMP_IN_PNG.decode(), metadata.xmp.decode("utf-8", "replace"))
    return info


def _write_deep_png(file: BinaryIO, pixels: numpy.ndarray, metadata: Metadata) -> None:
    """Writes uint16 pixels [h, w, 1 to 4 channels]."""
    height, width, channels = pixels.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    _write_chunk(file, b"IHDR", struct.pack(">2I5B", width, height, 16, PNG_KINDS[channels], 0, 0, 0))
    for name, data in metadata.png_chunks:
        if not (name == b"sRGB" and metadata.icc_profile):
            _write_chunk(file, name, data)
    if metadata.xmp:
        _write_chunk(file, b"iTXt", XMP_IN_PNG + bytes(5) + metadata.xmp)  # not compressed, no language, no translation
    if metadata.icc_profile:
        _write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.dpi:
        per_metre = (round(dots / 0.0254) for dots in metadata.dpi)
        _write_chunk(file, b"pHYs", struct.pack(">2IB", *per_metre, 1))
    if len(metadata.exif):
        _write_chunk(file, b"eXIf", metadata.exif.tobytes().removeprefix(b"Exif\0\0"))
    compressor, above = zlib.compressobj(6), numpy.zeros(width * channels * 2, numpy.uint8)
    for rows in _strips(pixels):
        levels = numpy.ascontiguousarray(rows.astype(">u2")).view(numpy.uint8).reshape(len(rows), -1)
        differences = levels - numpy.vstack([above, levels[:-1]])  # the filter "Up", number 2
        filtered = numpy.insert(differences, 0, 2, axis=1)
        above = levels[-1]
        if data := compressor.compress(filtered.tobytes()):
            _write_chunk(file, b"IDAT", data)
    _write_chunk(file, b"IDAT", compressor.flush())
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def _write_tiff(file: BinaryIO, pixels: numpy.ndarray, metadata: Metadata) -> None:
    """Writes uint8 or uint16 pixels [h, w, 1 to 4 channels], compressed without loss: neighbours' differences,
    deflated."""
    height, width, channels = pixels.shape
    strips = []
    for rows in _strips(pixels):
        differences = rows.copy()
        differences[:, 1:] -= rows[:, :-1]
        strips.append(zlib.compress(differences.astype(differences.dtype.newbyteorder("<")).tobytes()))
    lengths = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag in {*metadata.exif} - {*EXIF_DIRECTORIES}:
        directory[tag] = metadata.exif[tag]
    for tag in EXIF_DIRECTORIES:
        if entries := metadata.exif.get_ifd(tag):
            nested = {INTEROPERABILITY: metadata.exif.get_ifd(INTEROPERABILITY)} if INTEROPERABILITY in entries else {}
            directory[tag] = {**entries, **nested}
    directory[256], directory[257] = width, height
    directory[258] = (pixels.itemsize * 8,) * channels
    directory[259], directory[317] = 8, 2  # deflate, differences
    directory[262] = 1 if channels < 3 else 2  # grey from black, or RGB
    directory[277], directory[278] = channels, len(next(_strips(pixels)))
    directory[273] = tuple(accumulate(lengths[:-1], initial=0))  # Pillow adds the offset of the first strip
    directory[279] = tuple(lengths)
    if channels % 2 == 0:
        directory[338] = 2  # the last channel is alpha, by which colours are not multiplied
    if metadata.icc_profile:
        directory[34675] = metadata.icc_profile
    if metadata.xmp:
        directory[700] = metadata.xmp
        directory.tagtype[700] = 1  # bytes
    if metadata.dpi:
        directory[282], directory[283], directory[296] = *metadata.dpi, 2
    directory.save(file)
    file.writelines(strips)


def _strips(pixels: numpy.ndarray) -> Iterator[numpy.ndarray]:
    rows = max(1, STRIP // pixels[0].nbytes)
    for first in range(0, len(pixels), rows):
        yield pixels[first:first + rows]
