"""Reads the metadata of an image file: EXIF data, colour profile, XMP, texts, resolution."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from saddlepoint.image_files import png
from saddlepoint.image_files.errors import DAMAGED
from saddlepoint.image_files.source import ORIENTATION, Source

EXIF_DIRECTORIES = (0x8769, 0x8825)  # tags of EXIF data's own directories: the camera's settings, the place
PHOTOSHOP = {33723, 34377, 37724, 50255}  # tags of a TIFF: IPTC, resources, layers, annotations
COORDINATES = {33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113}  # tags of GeoTIFF and of GDAL
# Tags of a TIFF that say how it is laid out, or are true of its own pixels only, or hold XMP or a colour profile;
# Pillow counts them as EXIF data.
LAYOUT = {*range(254, 269), *range(273, 282), 284, *range(286, 296), *range(297, 305), *range(317, 348),
          *range(512, 533), 700, 34675, *PHOTOSHOP, *COORDINATES}
DESCRIPTION = 270
DESCRIBES_LAYOUT = ('{"shape":', "ImageJ=")  # how tifffile's and ImageJ's descriptions begin; OME's are XML
PNG_COLOURS = (b"cHRM", b"gAMA", b"cICP", b"sRGB", b"mDCV", b"cLLI")  # chunks that say which colours the levels are
XMP_IN_PNG = b"XML:com.adobe.xmp"
EXIF_IN_PNG = b"Raw profile type exif\0"  # how texts begin in which older programs store EXIF data; Pillow reads them


@dataclass(frozen=True)
class Metadata:
    """The metadata of a file that stay true when its pixels are turned upright and enlarged."""

    exif: Image.Exif = field(default_factory=Image.Exif)  # without the orientation, as the pixels are upright
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    comment: bytes | None = None  # of a JPEG or GIF
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()  # name and data of a PNG's chunks of colours and texts
    is_lossless: bool = False  # of a WebP file


def read_metadata(source: Source) -> tuple[Metadata, list[str]]:
    """Reads the metadata of a file; returns them and sentences about what is left out. May decode the file."""
    notes = []
    info = source.image.info if source.image is not None else {}
    tags: set[int] = set()
    try:
        exif = exif_of(source)
        tags = {*exif}
        exif = without_layout(exif)
    except DAMAGED:
        exif = Image.Exif()
        notes.append("its EXIF data is damaged and was left out")
    if source.stored_profile and not source.profile:
        notes.append("its colour profile, which is one of other colours, was left out")
    if info.get("photoshop") or PHOTOSHOP & tags:
        notes.append("its Photoshop or IPTC block was left out")
    if COORDINATES & tags:
        notes.append("its map coordinates (GeoTIFF, GDAL) were left out, as they are those of its own pixels")
    chunks = tuple(_png_chunks(source.path)) if source.image is not None and source.image.format == "PNG" else ()
    profile = None if source.mode else source.profile
    xmp = info.get("xmp") or source.tiff and source.tiff.xmp
    return Metadata(exif, profile, _dpi(info, source), _upright_xmp(xmp), _bytes(info.get("comment")), chunks,
                    _is_lossless_webp(source.path)), notes


def exif_of(source: Source) -> Image.Exif:
    """Returns EXIF data complete with its own directories, which Pillow would read later, when the file is closed.
    Raises one of DAMAGED."""
    if source.image is not None:
        exif = source.image.getexif()
    else:
        exif = Image.Exif()
        with source.path.open("rb") as stream:
            exif.load_from_fp(stream)
            _read_directories(exif)
    _read_directories(exif)
    exif.tobytes()
    return exif


def _read_directories(exif: Image.Exif) -> None:
    for directory in EXIF_DIRECTORIES:
        exif.get_ifd(directory)


def without_layout(exif: Image.Exif) -> Image.Exif:
    """Removes the tags of orientation and layout, which are no longer true once the pixels were turned; returns the
    rest of the EXIF data."""
    described = str(exif.get(DESCRIPTION, ""))
    description = {DESCRIPTION} if described.startswith(DESCRIBES_LAYOUT) or "<OME" in described else set()
    for tag in (LAYOUT | {ORIENTATION} | description) & set(exif):
        del exif[tag]
    exif.tobytes()
    return exif


def _dpi(info: dict[str, Any], source: Source) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return source.tiff.dpi if source.image is None else None
    return (across, down) if 0 < across < 1e5 and 0 < down < 1e5 else None


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _upright_xmp(xmp: str | bytes | None) -> bytes | None:
    """Sets the copy of EXIF's orientation in XMP data to upright, since the pixels have been turned."""
    if not xmp:
        return None
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))\d", rb"\g<1>1", _bytes(xmp))


def _png_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("rb") as stream:
        stream.seek(len(png.SIGNATURE))
        for chunk in png.chunks(stream):
            keep = chunk.name in PNG_COLOURS or \
                chunk.name in png.TEXTS and not chunk.data.startswith((XMP_IN_PNG, EXIF_IN_PNG))
            if keep and chunk.is_whole:
                yield chunk.name, chunk.data


def _is_lossless_webp(path: Path) -> bool:
    """Returns whether a WebP file is lossless, by the chunks of its container (RFC 9649, 2.3)."""
    with path.open("rb") as stream:
        if not (head := stream.read(12)).startswith(b"RIFF") or head[8:] != b"WEBP":
            return False
        return next((name == b"VP8L" for name in _chunk_names(stream) if name in (b"VP8L", b"VP8 ")), False)


def _chunk_names(stream: BinaryIO) -> Iterator[bytes]:
    while len(header := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        yield name
        stream.seek(16 if name == b"ANMF" else length + length % 2, 1)  # the chunks inside a frame come next
