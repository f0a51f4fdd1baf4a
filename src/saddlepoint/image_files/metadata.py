"""Reads what an image file says beside its pixels: EXIF data, colour profile, XMP, texts, resolution."""

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

EXIF_PARTS = (0x8769, 0x8825)  # what EXIF keeps apart: the camera's settings, the place
# Tags of a TIFF's own layout, which Pillow counts among EXIF's, and others' whole files inside it.
LAYOUT = {*range(254, 269), *range(273, 282), 284, *range(286, 296), *range(297, 305), *range(317, 348),
          *range(512, 533), 700, 33723, 34377, 34675}
DESCRIPTION, LAYOUT_IN_WORDS = 270, ('{"shape":', "ImageJ=")  # tifffile's and ImageJ's way; OME writes XML
PNG_COLOURS = (b"cHRM", b"gAMA", b"cICP", b"sRGB", b"mDCV", b"cLLI")  # how its levels are meant
XMP_IN_PNG = b"XML:com.adobe.xmp"


@dataclass(frozen=True)
class About:
    """The metadata of a file that stay true while its pixels change."""

    exif: Image.Exif = field(default_factory=Image.Exif)  # without the orientation, which has been applied
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    comment: bytes | None = None  # of a JPEG or GIF
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()  # name and data: colours and texts, as they lie in a PNG
    is_lossless: bool = False  # a WebP file that lost nothing


def about(source: Source) -> tuple[About, list[str]]:
    """Returns the metadata of a file, and notes on what was left out of them. May decode the file."""
    notes = []
    info = source.image.info if source.image is not None else {}
    try:
        exif = without_layout(exif_of(source))
    except DAMAGED:
        exif = Image.Exif()
        notes.append("its EXIF data is damaged and was left out")
    if source.stored_profile and not source.profile:
        notes.append("its colour profile, which is one of other colours, was left out")
    if info.get("photoshop") or source.image is not None and source.image.format == "TIFF" and \
            {33723, 34377} & {*source.image.tag_v2}:
        notes.append("its Photoshop or IPTC block was left out")
    chunks = tuple(_png_chunks(source.path)) if source.image is not None and source.image.format == "PNG" else ()
    profile = None if source.mode else source.profile
    xmp = info.get("xmp") or source.tiff and source.tiff.xmp
    return About(exif, profile, _dpi(info, source), _upright_xmp(xmp), _bytes(info.get("comment")), chunks,
                 _is_lossless_webp(source.path)), notes


def exif_of(source: Source) -> Image.Exif:
    """Returns EXIF data with the parts that it only points to, read while the file is open. Raises one of DAMAGED."""
    if source.image is not None:
        exif = source.image.getexif()
    else:
        exif = Image.Exif()
        with source.path.open("rb") as stream:
            exif.load_from_fp(stream)
            _read_parts(exif)
    _read_parts(exif)
    exif.tobytes()
    return exif


def _read_parts(exif: Image.Exif) -> None:
    for part in EXIF_PARTS:
        exif.get_ifd(part)


def without_layout(exif: Image.Exif) -> Image.Exif:
    """Removes from EXIF data what describes the pixels or how they lie, since they have been turned, and returns it."""
    described = str(exif.get(DESCRIPTION, ""))
    in_words = {DESCRIPTION} if described.startswith(LAYOUT_IN_WORDS) or "<OME" in described else set()
    for tag in (LAYOUT | {ORIENTATION} | in_words) & set(exif):
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
    """Sets XMP's copy of EXIF's orientation to upright, since the pixels have been turned."""
    if not xmp:
        return None
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))\d", rb"\g<1>1", _bytes(xmp))


def _png_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("rb") as stream:
        stream.seek(len(png.SIGNATURE))
        for chunk in png.chunks(stream):
            keep = chunk.name in PNG_COLOURS or chunk.name in png.TEXTS and not chunk.data.startswith(XMP_IN_PNG)
            if keep and chunk.is_whole:
                yield chunk.name, chunk.data


def _is_lossless_webp(path: Path) -> bool:
    """Returns whether a WebP file is lossless, by the chunks of its container (RFC 9649, 2.3)."""
    with path.open("rb") as stream:
        if not (head := stream.read(12)).startswith(b"RIFF") or head[8:] != b"WEBP":
            return False
        return next((name == b"VP8L" for name in _riff(stream) if name in (b"VP8L", b"VP8 ")), False)


def _riff(stream: BinaryIO) -> Iterator[bytes]:
    while len(header := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        yield name
        stream.seek(16 if name == b"ANMF" else length + length % 2, 1)  # a frame holds chunks itself
