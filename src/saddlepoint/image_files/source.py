"""Opens an image file without decoding it, and reads its header and its pixels as they are meant.

h x w pixels of C channels: 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha. Alpha is not multiplied in."""

import contextlib
import functools
import logging
import os
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module, util
from pathlib import Path
from typing import BinaryIO

import numpy
from PIL import Image

from saddlepoint.image_files import colours, deep, png
from saddlepoint.image_files.errors import CANNOT_READ, DAMAGED, Unreadable
from saddlepoint.image_files.levels import of_numbers
from saddlepoint.image_files.limits import Limits
from saddlepoint.image_files.pillow_slips import correct
from saddlepoint.image_files.tiff import MAGIC, ONLY_REDUCED, TiffPage, is_picture, pillow_reads_all

MOST_PIXELS = Image.MAX_IMAGE_PIXELS  # 89,478,485: beyond, Pillow warns of decompression bombs, then refuses
ORIENTATION = 0x0112
UPRIGHT = 1
PLUGINS = {"pillow_heif": "register_heif_opener", "pillow_jxl": None}  # packages; what to call once imported
SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
NOT_READ = {b"P7": "a PAM file", b"PF": "a PFM file in colours", b"8BPS": "a PSD file of other than 8 bits a colour",
            b"\xff\xd8\xff": "a JPEG file of 12 or 16 bits, or a damaged one"}
GREY_MODES = ("1", "L", "LA", "La", "F")
TURNED: dict[int, Callable[[numpy.ndarray], numpy.ndarray]] = {  # as stored -> upright, by EXIF's number
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: numpy.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: numpy.rot90(pixels),
}

logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL + 1)  # what it says of odd files is said here, once


class Source:
    """`image` is Pillow's; None where only tifffile reads the file. `tiff` is tifffile's, where Pillow would lose
    bits or misread them."""

    def __init__(self, path: Path, image: Image.Image | None, tiff: TiffPage | None, dropped: list[str],
                 left_out: Sequence[str] = ()):
        self.path, self.image, self.tiff = path, image, tiff
        self.left_out = left_out
        self.dropped = dropped  # parts that had to be left out for the file to be read
        self._deep, self._is_grey_with_alpha, self._is_cut = None, False, False
        if tiff is None and image.format != "JPEG":
            # Now: decoding, which EXIF data may ask for, forgets how the pixels lie in the file.
            self._deep = deep.reader(image)
            self._is_grey_with_alpha = self._deep is not None and deep.is_grey_with_alpha(image)
            self._is_cut = self._deep is None and deep.is_cut_by_pillow(image)

    @property
    def is_plain(self) -> bool:
        """Returns whether this is, as most files are, one picture of grey or RGB in 8 bits of which nothing is left
        out."""
        image = self.image
        return (self.tiff is None and image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB")
                and self._deep is None and not self.dropped and "transparency" not in image.info
                and not (image.format == "PNG" and image.is_animated))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as they lie in the file."""
        return self.image.size if self.tiff is None else (self.tiff.width, self.tiff.height)

    @property
    def has_own_reader(self) -> bool:
        """Returns whether the pixels that Pillow gives would not be those of the file."""
        return self.tiff is not None or self._deep is not None or self.image.mode in ("CMYK", "LAB", "F") \
            or self.image.mode.startswith("I")

    @property
    def numbers(self) -> str:
        """Returns the kind of numbers that the pixels are if they are no levels of a known white; else an empty
        text."""
        if self.tiff is not None:
            return self.tiff.numbers
        if self.image.mode == "F":
            return "floating-point"
        return "32-bit" if self.image.mode == "I" and self.image.format != "PPM" else ""

    @property
    def is_deep(self) -> bool:
        """Returns whether a colour has more than 8 bits, by the header."""
        if self.tiff is not None:
            return bool(self.tiff.numbers) or self.tiff.bits > 8
        if self._deep is not None:
            return self._deep.bits > 8
        return self.image.mode == "F" or self.image.mode.startswith("I")

    @property
    def is_grey(self) -> bool:
        if self.tiff is not None:
            return self.tiff.channels == 1
        return self._is_grey_with_alpha or self.image.mode in GREY_MODES or self.image.mode.startswith("I")

    @property
    def has_alpha(self) -> bool:
        return self.tiff.alpha is not None if self.tiff is not None else self.image.has_transparency_data

    @property
    def has_several(self) -> bool:
        """Returns whether the file holds more than one picture."""
        if self.tiff is not None:
            return self.tiff.pictures > 1
        try:
            return bool(getattr(self.image, "is_animated", False))
        except CANNOT_READ:  # looking for a second, which is damaged
            return True

    def pictures(self) -> str:
        """Returns a text that says which of several pictures is read; an empty text if the file has one."""
        if not self.has_several:
            return ""
        before = self.tiff.place if self.tiff is not None else self.image.tell()
        try:
            which = f"number {before + 1}, the first in full size," if before else "the first"
            return f"{which} of its {self.tiff.pictures if self.tiff is not None else self.image.n_frames} pictures"
        except CANNOT_READ:
            return "the first of its pictures, of which another is damaged"

    @property
    def mode(self) -> str:
        """Returns the mode of colours that are converted, CMYK or LAB; else an empty text."""
        if self.tiff is not None:
            return "CMYK" if self.tiff.is_cmyk else ""
        return self.image.mode if self.image.mode in ("CMYK", "LAB") else ""

    @property
    def stored_profile(self) -> bytes | None:
        return self.image.info.get("icc_profile") if self.image is not None else self.tiff.profile

    @property
    def profile(self) -> bytes | None:
        """Returns the ICC profile if it describes such colours as the file has."""
        own = self.stored_profile
        return own if own and colours.fits(own, self.mode or ("GRAY" if self.is_grey else "RGB")) else None

    def losses(self) -> list[str]:
        """Returns, from the header, what of the file a picture does not show in any depth."""
        losses = [*self.left_out, *(f"left out its damaged {name}" for name in dict.fromkeys(self.dropped))]
        if self.tiff is not None:
            losses += self.tiff.notes()
        elif self._is_cut:
            losses.append("16 bits became 8, all that its reader has")
        elif self.image.format == "TIFF" and not is_picture(self.image.tag_v2):
            losses.append(ONLY_REDUCED)
        if self.mode:
            losses.append(f"{self.mode} became RGB")
        return losses

    def orientation(self) -> int:
        """Returns EXIF's number of how the pixels lie; 1, upright, where Pillow turns them itself or EXIF data is
        damaged. Decodes the file."""
        if self.image is None:
            return self.tiff.orientation
        if self.image.format == "TIFF":
            return self.tiff.orientation if self.tiff is not None else UPRIGHT
        self.image.load()  # outside of what follows: a PNG is decoded for its EXIF data, and may break off there
        try:
            number = self.image.getexif().get(ORIENTATION, UPRIGHT)
        except DAMAGED:
            return UPRIGHT
        return number if number in TURNED else UPRIGHT

    def pixels(self, white: float | None = None) -> numpy.ndarray:
        """Returns the first picture, uint8 or uint16 [h, w, C], upright. `white`: of files of numbers."""
        turned = TURNED.get(self.orientation())
        pixels = numpy.atleast_3d(self._stored(white))
        return turned(pixels) if turned else pixels

    def _stored(self, white: float | None) -> numpy.ndarray:
        if self.tiff is not None:
            pixels = self.tiff.pixels(white)
            return colours.cmyk_to_srgb(pixels, self.profile) if self.tiff.is_cmyk else pixels
        image = self.image
        if image.mode in ("CMYK", "LAB"):
            return colours.to_srgb(image, self.profile)
        if self._deep is not None:
            return self._deep.decode(self.path.read_bytes())
        if self.numbers:
            return of_numbers(numpy.asarray(image), white)
        if image.mode.startswith("I"):
            return numpy.asarray(image).astype(numpy.uint16)
        mode = ("L" if self.is_grey else "RGB") + ("A" if self.has_alpha else "")
        return numpy.asarray(image if image.mode == mode else image.convert(mode))


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Source]:
    """Opens the file if its header keeps the limits. Every error in the block that the file causes becomes
    Unreadable. Pillow's warnings about odd metadata are silenced, since there would be one for every file and epoch."""
    try:
        with warnings.catch_warnings(action="ignore"), open(path, "rb", opener=_at_once) as stream:  # noqa: PTH123
            source = _source(path, stream)
            limits.check(source)
            yield source
    except (*CANNOT_READ, Image.DecompressionBombError) as error:
        raise Unreadable(_why(path, error)) from error


def _at_once(path: str, flags: int) -> int:
    """Opens a file without waiting: opening a pipe to which nobody writes would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _source(path: Path, stream: BinaryIO) -> Source:
    """Reads the header from a stream: given a name, Pillow maps an uncompressed TIFF into memory, and confuses its
    sides when it is to be turned by 90 degrees."""
    try:
        image, dropped = Image.open(stream), []
    except CANNOT_READ:
        stream.seek(0)
        beginning = stream.read(8)
        if beginning.startswith(MAGIC):
            return Source(path, None, TiffPage(path), [])
        image, dropped = _opened_otherwise(stream, beginning)
    if image.format == "TIFF" and not (_in_full_size(image) and pillow_reads_all(image.tag_v2)):
        return Source(path, image, TiffPage(path), dropped)
    return Source(path, image, None, dropped, correct(image))


def _in_full_size(image: Image.Image) -> bool:
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


def _opened_otherwise(stream: BinaryIO, beginning: bytes) -> tuple[Image.Image, list[str]]:
    if beginning == png.SIGNATURE:
        mended, dropped = png.without_damaged_chunks(stream)
        return Image.open(mended), dropped
    stream.seek(0)
    if not _plugins():
        raise Image.UnidentifiedImageError
    return Image.open(stream), []


@functools.cache
def _plugins() -> bool:
    """Makes Pillow read the formats of installed plugins; returns whether there are any."""
    installed = [name for name in PLUGINS if util.find_spec(name)]
    for name in installed:
        module = import_module(name)
        if opener := PLUGINS[name]:
            getattr(module, opener)()
    return bool(installed)


def _why(path: Path, error: Exception) -> str:
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(mode := path.stat().st_mode):
            return f"it is {SPECIAL.get(stat.S_IFMT(mode), 'a device')} and not a file"
    if isinstance(error, Image.UnidentifiedImageError):
        return _what_it_is(path)
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * MOST_PIXELS} pixels"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _what_it_is(path: Path) -> str:
    with path.open("rb") as stream:
        beginning = stream.read(16)
    if not beginning:
        return "it is empty"
    if beginning[4:8] == b"ftyp" and beginning[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "it is HEIF, which takes a plugin to read: type pip install pillow-heif"
    if beginning.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "it is JPEG XL, which takes a plugin to read: type pip install pillow-jxl-plugin"
    for magic, what in NOT_READ.items():
        if beginning.startswith(magic):
            return f"it is {what}, which is not read: save it as PNG or TIFF"
    return "its content is not that of an image"
