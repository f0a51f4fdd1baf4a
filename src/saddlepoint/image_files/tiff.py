"""Reads with tifffile the TIFF and BigTIFF files whose pixels Pillow would cut to 8 bits, misread or refuse.

h x w pixels of S samples: grey or colours, then extra samples such as transparency. Names and numbers are those of the
TIFF 6.0 specification."""

import functools
import importlib
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy

from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.levels import bits_to_levels, numbers_to_levels
from saddlepoint.image_files.packed import Place

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Numbers of tags, and of their values.
BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, COLOUR_MAP = 258, 259, 262, 277, 320
KIND, EARLIER_KIND = 254, 255
EXTRA_SAMPLES, SAMPLE_FORMAT, XMP, PROFILE = 338, 339, 700, 34675
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED = 0, 1, 2, 3, 5
UNSPECIFIED, PREMULTIPLIED = 0, 1
REDUCED, MASK, EARLIER_REDUCED = 1, 4, 2
UNSIGNED, FLOATING = 1, 3
PILLOWS_COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946}
GREY_AND_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, SEPARATED: 4}
MOST_SAMPLES = 16  # of a pixel
ONLY_REDUCED = "a reduced copy is shown, as the picture itself lies where it is not read"


@functools.cache
def _tifffile() -> ModuleType:
    """Imports tifffile when the first file needs it, as this takes a fifth of a second. Silences its messages about
    damaged files, which our own errors report once."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    return importlib.import_module("tifffile")


def _opened(path: Place) -> Any:
    return _tifffile().TiffFile(path if isinstance(path, Path) else path.open())


def is_picture(tags: Any) -> bool:
    """Returns whether these tags belong to a picture, and not to a reduced copy of one or to a mask."""
    return not tags.get(KIND, 0) & (REDUCED | MASK) and tags.get(EARLIER_KIND) != EARLIER_REDUCED


def pillow_reads_all(tags: Any) -> bool:
    """Returns whether Pillow reads every bit of a picture with these tags, and reads it rightly."""
    bits = tuple(tags.get(BITS, (1,)))
    formats = {*tags.get(SAMPLE_FORMAT, (UNSIGNED,))}
    photometric, extras = tags.get(PHOTOMETRIC, BLACK_IS_ZERO), tuple(tags.get(EXTRA_SAMPLES, ()))
    if tags.get(SAMPLES, 1) != GREY_AND_COLOURS.get(photometric, 3) + len(extras):
        return False  # the tags do not say what some samples are; Pillow would take the fourth for transparency
    if formats != {UNSIGNED} or tags.get(COMPRESSION, 1) not in PILLOWS_COMPRESSIONS or UNSPECIFIED in extras:
        return False
    if photometric == PALETTE and max(tags.get(COLOUR_MAP, (256,))) < 256:
        return False
    return {*bits} <= {1, 8} or bits == (16,) and photometric == BLACK_IS_ZERO


class TiffPage:
    """The first picture of a TIFF file that is no reduced copy; a reduced copy if there is nothing else.

    `numbers` is the kind of its pixels, e.g. floating-point or signed 16-bit, if the file does not say which number is
    white; an empty text if it does."""

    def __init__(self, path: Place):
        with _opened(path) as file:
            full_size = next((number for number, page in enumerate(file.pages) if is_picture(_kind_tags(page))), None)
            self.pictures, self.place, self.is_reduced = len(file.pages), full_size or 0, full_size is None
            page = file.pages[self.place]
            self.width, self.height = page.imagewidth, page.imagelength
            self.samples, self.bits = page.samplesperpixel, page.bitspersample
            self.photometric, self.extras = int(page.photometric), tuple(map(int, page.extrasamples))
            self.orientation = int(tag.value) if (tag := page.tags.get(274)) is not None else 1
            self.profile = bytes(tag.value) if (tag := page.tags.get(PROFILE)) is not None else None
            self.palette = page.colormap  # [3, 2^bits] uint16, or None
            self.dpi, self.xmp = _read_dpi(page), _read_xmp(page)
            self._refuse_truncated(page, file.filehandle.size)
            self._refuse_unknown_colours(page)
        self.path = path
        floating, unsigned = (int(page.sampleformat) == kind for kind in (FLOATING, UNSIGNED))
        self.numbers = "floating-point" if floating else "" if unsigned and self.bits <= 16 else (
            f"{self.bits}-bit" if unsigned else f"signed {self.bits}-bit")
        self.channels = 1 if self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) else 3

    @staticmethod
    def _refuse_truncated(page: Any, size: int) -> None:
        """Refuses a truncated file, whose missing pixels tifffile would fill with zeros."""
        ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if not ends or max(ends) > size or not all(page.databytecounts):
            raise Unreadable("image file is truncated")

    def _refuse_unknown_colours(self, page: Any) -> None:
        if self.photometric not in GREY_AND_COLOURS:
            raise Unreadable(f"its colours ({page.photometric.name} in {self.bits} bits) are not read: save it as RGB")
        if not self.colours + len(self.extras) <= self.samples <= MOST_SAMPLES or page.imagedepth != 1:
            raise Unreadable(f"its pixels have {self.samples} samples, which are no colours: save it as grey or RGB")
        if int(page.sampleformat) not in (UNSIGNED, 2, FLOATING):
            raise Unreadable(f"its pixels are numbers of a kind that has no white ({page.sampleformat.name})")

    @property
    def colours(self) -> int:
        """Returns how many samples of a pixel are grey or colours."""
        return GREY_AND_COLOURS[self.photometric]

    @property
    def alpha(self) -> int | None:
        """Returns the index of the sample that is transparency, or None."""
        known = [place for place, kind in enumerate(self.extras) if kind != UNSPECIFIED]
        return self.colours + known[0] if known else None

    @property
    def is_cmyk(self) -> bool:
        return self.photometric == SEPARATED

    def notes(self) -> list[str]:
        """Returns sentences about what of the file is left out."""
        left_out = self.samples - self.colours - (self.alpha is not None)
        return [ONLY_REDUCED] * self.is_reduced + (
            [f"left out {left_out} channels that are neither colour nor transparency"] if left_out else [])

    def pixels(self, white: float | None) -> numpy.ndarray:
        """Returns the pixels, uint8 or uint16 [h, w, 1 to 5 samples], not yet turned upright. CMYK stays ink; alpha
        comes last, and colours are not multiplied by it."""
        samples = self._read_samples()
        levels = numbers_to_levels(samples, white) if self.numbers else self._to_levels(samples)
        if self.photometric == WHITE_IS_ZERO:
            levels[:, :, 0] = numpy.iinfo(levels.dtype).max - levels[:, :, 0]
        if self.alpha is None:
            return levels[:, :, :self.colours] if self.palette is None else levels
        pixels = levels[:, :, [*range(self.colours), self.alpha]]
        return divide_by_alpha(pixels) if self.extras[self.alpha - self.colours] == PREMULTIPLIED else pixels

    def _read_samples(self) -> numpy.ndarray:
        """Returns the samples [h, w, S] in the file's own type."""
        with _opened(self.path) as file:
            page = file.pages[self.place]
            samples, axes = page.asarray(), page.axes
        order = [axes.index("Y"), axes.index("X"), *(place for place, axis in enumerate(axes) if axis == "S")]
        if len(order) != samples.ndim:
            raise Unreadable(f"its pixels are laid out as {axes}, not as rows and columns")
        return numpy.atleast_3d(samples.transpose(order))

    def _to_levels(self, samples: numpy.ndarray) -> numpy.ndarray:
        if self.photometric == PALETTE:
            # Colours have 16 bits. Old programs wrote 8, which is recognised by their values, as in libtiff.
            colours = numpy.asarray(self.palette).T[samples[:, :, 0]]  # [h, w, 3]
            return colours.astype(numpy.uint16) * (257 if self.palette.max() < 256 else 1)
        return bits_to_levels(samples, self.bits)


def _kind_tags(page: Any) -> dict[int, Any]:
    return {tag: page.tags.valueof(tag, 0) for tag in (KIND, EARLIER_KIND)}


def _read_xmp(page: Any) -> bytes | None:
    value = page.tags.valueof(XMP)
    return value.encode() if isinstance(value, str) else bytes(value) if value else None


def _read_dpi(page: Any) -> tuple[float, float] | None:
    if 282 not in page.tags or 283 not in page.tags:
        return None
    across, down = page.get_resolution("INCH")
    return (float(across), float(down)) if 0 < across < 1e5 and 0 < down < 1e5 else None


def divide_by_alpha(pixels: numpy.ndarray) -> numpy.ndarray:
    """Divides the colours of pixels [h, w, colours and alpha] by alpha, with which they had been multiplied."""
    full = numpy.iinfo(pixels.dtype).max
    alpha = pixels[:, :, -1:].astype(numpy.float64)
    colours = numpy.divide(pixels[:, :, :-1] * float(full), alpha, out=numpy.zeros(pixels[:, :, :-1].shape),
                           where=alpha > 0)
    return numpy.concatenate([numpy.rint(numpy.minimum(colours, full)).astype(pixels.dtype), pixels[:, :, -1:]], 2)
