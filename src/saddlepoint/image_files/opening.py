"""Opens image files: refuses those beyond the user's limits or damaged, and corrects what Pillow misunderstands of a
header."""

import contextlib
import functools
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, util
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from saddlepoint.image_files import png
from saddlepoint.image_files.errors import CANNOT_READ, Unreadable
from saddlepoint.image_files.packed import Place
from saddlepoint.image_files.source import Source
from saddlepoint.image_files.tiff import MAGIC, TiffPage, is_picture, pillow_reads_all

MOST_PIXELS = Image.MAX_IMAGE_PIXELS  # 89,478,485: beyond, Pillow warns of decompression bombs, then refuses
PLUGINS = {"pillow_heif": "register_heif_opener", "pillow_jxl": None}  # packages; what to call once imported
SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
NOT_READ = {b"%!PS": "a PostScript file", b"\xc5\xd0\xd3\xc6": "a PostScript file", b"P7": "a PAM file",
            b"PF": "a PFM file in colours", b"8BPS": "a PSD file of other than 8 bits a colour",
            b"\xff\xd8\xff": "a JPEG file of 12 or 16 bits, or a damaged one"}
PSD_CHANNELS = slice(12, 14)  # in a PSD file's header: how many there are, alpha and spot colours among them


class Limits(NamedTuple):
    """The user's limits on image files that are read. Messages name the settings behind `prefix`, as they are typed."""

    max_pixels: int
    white: float | None = None  # the white of all files of floating-point or 32-bit numbers; None refuses these files
    prefix: str = "data."

    def check(self, source: Source) -> None:
        """Raises Unreadable if the header breaks a limit, since a file of a few kilobytes may unfold to gigabytes."""
        width, height = source.size
        if width * height > self.max_pixels:
            raise Unreadable(f"its {width} x {height} pixels are more than {self.prefix}max_pixels={self.max_pixels}: "
                             f"type {self.prefix}max_pixels={width * height} if you mean it")
        if self.white is None and (numbers := source.numbers):
            raise Unreadable(f"its pixels are {numbers} numbers, which do not say what is white: type "
                             f"{self.prefix}white=1 if 1 is white in all of them (or 255, 65535, ...), or save it "
                             "with 16 bits without sign")


@contextmanager
def open_image(path: Place, limits: Limits) -> Iterator[Source]:
    """Opens an image file and yields it if its header keeps the limits. An error in the block that the file causes
    becomes Unreadable. Pillow's warnings about odd metadata are silenced, as each file would repeat them each epoch."""
    try:
        with warnings.catch_warnings(action="ignore"), _opened(path) as stream:
            source = _read_header(path, stream)
            limits.check(source)
            yield source
    except (*CANNOT_READ, Image.DecompressionBombError) as error:
        raise Unreadable(_reason(path, error)) from error


def _opened(path: Place) -> BinaryIO:
    return open(path, "rb", opener=_open_without_waiting) if isinstance(path, Path) else path.open()  # noqa: PTH123


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens a file without waiting. Otherwise a named pipe to which nobody writes would block for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_header(path: Place, stream: BinaryIO) -> Source:
    """Reads the header. Pillow is given a stream: given a name, it maps an uncompressed TIFF into memory, and confuses
    its width and height when the picture is to be turned by 90 degrees."""
    try:
        image, damaged = Image.open(stream), []
    except CANNOT_READ:
        stream.seek(0)
        beginning = stream.read(8)
        if beginning.startswith(MAGIC):
            return Source(path, None, TiffPage(path), [])
        image, damaged = _open_damaged_png_or_plugin(stream, beginning)
    if image.format == "EPS":  # to read it, Pillow would let Ghostscript run the program that it is
        raise Image.UnidentifiedImageError
    if image.format == "TIFF" and not (_seek_picture_in_full_size(image) and pillow_reads_all(image.tag_v2)):
        return Source(path, image, TiffPage(path), damaged)
    return Source(path, image, None, damaged, _correct_header(image))


def _seek_picture_in_full_size(image: Image.Image) -> bool:
    """Moves to the first picture of a TIFF file that is no reduced copy or mask; returns whether Pillow could."""
    if is_picture(image.tag_v2):
        return True
    try:
        for number in range(1, image.n_frames):
            image.seek(number)
            if is_picture(image.tag_v2):
                return True
        image.seek(0)
    except CANNOT_READ:
        return False
    return True


def _correct_header(image: Image.Image) -> list[str]:
    """Corrects what Pillow misunderstands of a header, before anything is decoded. Returns sentences about what of the
    file is left out."""
    if image.format == "PNG" and "transparency" in image.info:
        _scale_transparency(image)
    if image.format != "PSD":
        return []
    if image.mode == "1":  # ink is 1, as in a fax
        image.tile = [tile._replace(args="1;I") for tile in image.tile]
    image.fp.seek(0)
    extra = int.from_bytes(image.fp.read(PSD_CHANNELS.stop)[PSD_CHANNELS]) - len(image.getbands())
    return [f"left out {extra} channels beside its colours"] if extra > 0 else []


def _scale_transparency(image: Image.Image) -> None:
    """Scales the grey that stands for transparent to 8 bits. Pillow keeps it in the file's 2 or 4 bits, but scales the
    pixels, so that it would match none of them."""
    match = re.fullmatch("L;([24])", str(image.tile[0].args)) if image.tile else None
    if match and isinstance(grey := image.info.get("transparency"), int):
        image.info["transparency"] = grey * 255 // (2**int(match[1]) - 1)


def _open_damaged_png_or_plugin(stream: BinaryIO, beginning: bytes) -> tuple[Image.Image, list[str]]:
    if beginning == png.SIGNATURE:
        repaired, damaged = png.copy_without_damaged_chunks(stream)
        return Image.open(repaired), damaged
    stream.seek(0)
    if not _register_plugins():
        raise Image.UnidentifiedImageError
    return Image.open(stream), []


@functools.cache
def _register_plugins() -> bool:
    """Registers installed plugins with Pillow, which then reads their formats; returns whether there are any."""
    installed = [name for name in PLUGINS if util.find_spec(name)]
    for name in installed:
        module = import_module(name)
        if opener := PLUGINS[name]:
            getattr(module, opener)()
    return bool(installed)


def _reason(path: Place, error: Exception) -> str:
    with contextlib.suppress(OSError):
        if isinstance(path, Path) and not stat.S_ISREG(mode := path.stat().st_mode):
            return f"it is {SPECIAL.get(stat.S_IFMT(mode), 'a device')} and not a file"
    if isinstance(error, Image.UnidentifiedImageError):
        return _unread_format(path)
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * MOST_PIXELS} pixels"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _unread_format(path: Place) -> str:
    with path.open("rb") as stream:
        beginning = stream.read(16)
    if not beginning:
        return "it is empty"
    if beginning[4:8] == b"ftyp" and beginning[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "it is HEIF, which takes a plugin to read: type pip install pillow-heif"
    if beginning.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "it is JPEG XL, which takes a plugin to read: type pip install pillow-jxl-plugin"
    for magic, name in NOT_READ.items():
        if beginning.startswith(magic):
            return f"it is {name}, which is not read: save it as PNG or TIFF"
    return "its content is not that of an image"
