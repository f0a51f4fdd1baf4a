"""From an image file of any kind to 8 bits of grey or RGB.

Grey from colour is the luma of ITU-R BT.601. What is transparent is laid over black, the colour of padding.
16-bit values are divided by 257, so that 65535 becomes 255; none are clipped.
"""

import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
from PIL import Image, ImageOps

MODES = {1: "L", 3: "RGB"}  # by number of channels
MOST_PIXELS = Image.MAX_IMAGE_PIXELS  # 89,478,485: beyond, Pillow warns of decompression bombs, then refuses

# What Pillow's readers raise on files that are not what they say.
_CANNOT_READ = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError,
                OverflowError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError)


class Unreadable(Exception):
    """The text says why, without the file's name."""


def measure(path: Path, max_pixels: int) -> tuple[int, int]:
    """The sides of the image in pixels, from its header alone."""
    return shape_of(path, max_pixels)[:2]


def shape_of(path: Path, max_pixels: int) -> tuple[int, int, int]:
    """-> width, height, and 1 (grey) or 3 (colours) channels, from the header alone"""
    with reading(path) as image:
        grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
        return *_checked(image, max_pixels).size, 1 if grey else 3


def decode(path: Path, channels: int, max_pixels: int) -> Image.Image:
    """Mode L or RGB, upright as its EXIF data says; of an animation, the first picture."""
    with reading(path) as image:
        image_format = _checked(image, max_pixels).format
        upright = ImageOps.exif_transpose(image)
        return _without_transparency(_eight_bits(upright, image_format)).convert(MODES[channels])


@contextmanager
def reading(path: Path) -> Iterator[Image.Image]:
    """The file, opened but not decoded; whatever goes wrong with it inside the block becomes Unreadable."""
    try:
        refuse_special(path)
        with _opened(path) as image:
            yield image
    except _CANNOT_READ as error:
        raise Unreadable(_why(path, error)) from error


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Without Pillow's warnings about odd metadata, one for every file and epoch. From a stream, because given a name
    Pillow maps an uncompressed TIFF into memory, with its sides confused when it is to be turned by 90 degrees."""
    with warnings.catch_warnings(action="ignore"), path.open("rb") as stream, Image.open(stream) as image:
        yield image


def _checked(image: Image.Image, max_pixels: int) -> Image.Image:
    """Before anything is decoded: a file of a few kilobytes may unfold to gigabytes."""
    width, height = image.size
    if width * height > max_pixels:
        raise Unreadable(f"its {width} x {height} pixels are more than data.max_pixels={max_pixels}")
    return image


def _eight_bits(image: Image.Image, image_format: str | None) -> Image.Image:
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    values = numpy.asarray(image).astype(numpy.float64)  # [H, W]
    is_16_bit = image.mode != "F" and (image.mode != "I" or image_format == "PPM")
    full_scales = (65535,) if is_16_bit else (255, 65535) if image.mode == "I" else (1, 255, 65535)
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= 65535):  # NaN fails it too
        raise Unreadable(f"its values run from {lowest:g} to {highest:g}, outside 0 to 65535")
    full_scale = next(scale for scale in full_scales if highest <= scale)
    return Image.fromarray(numpy.rint(values * (255 / full_scale)).astype(numpy.uint8))


def _without_transparency(image: Image.Image) -> Image.Image:
    """-> a mode without alpha; palettes and the rarer colour spaces become RGB"""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image if image.mode in ("1", "L") else image.convert("RGB")


def _why(path: Path, error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is empty" if path.stat().st_size == 0 else "its content is not that of an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * MOST_PIXELS} pixels"
    return str(error) or type(error).__name__


def refuse_special(path: Path) -> None:
    """Opening a named pipe would wait for somebody to write into it; a device may give bytes without end."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
        raise Unreadable(f"it is {kinds.get(stat.S_IFMT(mode), 'a device')} and not a file")
