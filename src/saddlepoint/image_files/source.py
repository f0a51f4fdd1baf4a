"""Reads what the header of an opened image file says, and decodes its pixels as they are meant.

h x w pixels of C channels: 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha. Alpha is not multiplied in."""

import logging
from collections.abc import Callable, Sequence

import numpy
from PIL import Image

from saddlepoint.image_files import colours, deep
from saddlepoint.image_files.errors import CANNOT_READ, DAMAGED
from saddlepoint.image_files.levels import numbers_to_levels
from saddlepoint.image_files.packed import Place
from saddlepoint.image_files.tiff import ONLY_REDUCED, TiffPage, is_picture

ORIENTATION = 0x0112
UPRIGHT = 1
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
    """An opened image file, which `opening.open_image` yields.

    image: the file as Pillow opened it, or None if only tifffile can read it.
    tiff: the file as tifffile opened it, if Pillow would lose bits or misread them; else None.
    damaged: names of damaged parts that had to be left out, as Pillow would have refused the file for them.
    notes: sentences about what else of the file is left out."""

    def __init__(self, path: Place, image: Image.Image | None, tiff: TiffPage | None, damaged: list[str],
                 notes: Sequence[str] = ()):
        self.path, self.image, self.tiff = path, image, tiff
        self.damaged, self.notes = damaged, notes
        self._deep, self._is_grey_with_alpha, self._is_cut = None, False, False
        if tiff is None and image.format != "JPEG":
            # Asked now: Pillow forgets how pixels lie in the file when it decodes, which reading EXIF data may do.
            self._deep = deep.find_reader(image)
            self._is_grey_with_alpha = self._deep is not None and deep.is_grey_with_alpha(image)
            self._is_cut = self._deep is None and deep.is_cut_by_pillow(image)

    @property
    def is_plain(self) -> bool:
        """Returns whether this is one picture of grey or RGB in 8 bits of which nothing is left out, as most files
        are."""
        image = self.image
        return (self.tiff is None and image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB")
                and self._deep is None and not self.damaged and "transparency" not in image.info
                and not (image.format == "PNG" and image.is_animated))

    @property
    def size(self) -> tuple[int, int]:
        """Returns width and height as they are stored, before the picture is turned upright."""
        return self.image.size if self.tiff is None else (self.tiff.width, self.tiff.height)

    @property
    def has_own_reader(self) -> bool:
        """Returns whether the pixels are read or converted here, since Pillow would give others than the file has."""
        return self.tiff is not None or self._deep is not None or self.image.mode in ("CMYK", "LAB", "F") \
            or self.image.mode.startswith("I")

    @property
    def numbers(self) -> str:
        """Returns which kind of numbers the pixels are if the file does not say which number is white, e.g.
        floating-point; else an empty text."""
        if self.tiff is not None:
            return self.tiff.numbers
        if self.image.mode == "F":
            return "floating-point"
        return "32-bit" if self.image.mode == "I" and self.image.format != "PPM" else ""

    @property
    def is_deep(self) -> bool:
        """Returns whether a grey level or a colour has more than 8 bits."""
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
        """Returns which of several pictures is read, in words; an empty text if the file has one picture."""
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
        """Returns CMYK or LAB if the colours are converted to RGB; else an empty text."""
        if self.tiff is not None:
            return "CMYK" if self.tiff.is_cmyk else ""
        return self.image.mode if self.image.mode in ("CMYK", "LAB") else ""

    @property
    def stored_profile(self) -> bytes | None:
        return self.image.info.get("icc_profile") if self.image is not None else self.tiff.profile

    @property
    def profile(self) -> bytes | None:
        """Returns the ICC profile if it describes the kind of colours that the file has; else None."""
        own = self.stored_profile
        return own if own and colours.fits(own, self.mode or ("GRAY" if self.is_grey else "RGB")) else None

    def losses(self) -> list[str]:
        """Returns sentences about what of the file is lost whichever depth it is read in. Reads only the header."""
        losses = [*self.notes, *(f"left out its damaged {name}" for name in dict.fromkeys(self.damaged))]
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
        """Returns the orientation as EXIF numbers it, 1 to 8; 1, upright, if Pillow turns the pixels itself or the
        EXIF data is damaged. Decodes the file."""
        if self.image is None:
            return self.tiff.orientation
        if self.image.format == "TIFF":
            return self.tiff.orientation if self.tiff is not None else UPRIGHT
        self.image.load()  # not within `try`: reading a PNG's EXIF data decodes it, and errors of decoding must pass
        try:
            number = self.image.getexif().get(ORIENTATION, UPRIGHT)
        except DAMAGED:
            return UPRIGHT
        return number if number in TURNED else UPRIGHT

    def pixels(self, white: float | None = None) -> numpy.ndarray:
        """Returns the first picture upright, uint8 or uint16 [h, w, C]. `white`: the number that is white in files of
        floating-point or 32-bit numbers."""
        turned = TURNED.get(self.orientation())
        pixels = numpy.atleast_3d(self._stored_pixels(white))
        return turned(pixels) if turned else pixels

    def _stored_pixels(self, white: float | None) -> numpy.ndarray:
        if self.tiff is not None:
            pixels = self.tiff.pixels(white)
            return colours.cmyk_to_srgb(pixels, self.profile) if self.tiff.is_cmyk else pixels
        image = self.image
        if image.mode in ("CMYK", "LAB"):
            return colours.to_srgb(image, self.profile)
        if self._deep is not None:
            return self._deep.decode(self.path.read_bytes())
        if self.numbers:
            return numbers_to_levels(numpy.asarray(image), white)
        if image.mode.startswith("I"):
            return numpy.asarray(image).astype(numpy.uint16)
        mode = ("L" if self.is_grey else "RGB") + ("A" if self.has_alpha else "")
        return numpy.asarray(image if image.mode == mode else image.convert(mode))
