"""From an image file to pixels of the file's own depth, 8 or 16 bits: what the header says decides, not the values.

Pillow reads everything but 16-bit colours, which it cuts to 8 bits without a word: those of PNG and TIFF go through
OpenCV.
"""

import importlib
import io
import struct
from pathlib import Path

import numpy
from PIL import Image, ImageCms

from saddlepoint.data.decoding import Unreadable, reading
from saddlepoint.upscaling.headers import checked
from saddlepoint.upscaling.picture import EXIF_PARTS, About, Picture, of_pixels

ORIENTATION = 0x0112
# Tags of a TIFF's own layout, which Pillow counts among EXIF's, and others' whole files inside it.
LAYOUT = {*range(254, 269), *range(273, 282), 284, *range(286, 296), *range(297, 305), *range(317, 348),
          *range(512, 533), 700, 33723, 34377, 34675}
TURNED = {  # pixels [h, w, C] as they lie in the file -> upright, by EXIF's number
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: numpy.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: numpy.rot90(pixels),
}


def read(path: Path, max_pixels: int) -> Picture:
    """Of several pictures in a file the first. Whatever cannot be read is Unreadable."""
    with reading(path) as image:
        checked(image, max_pixels)
        deep_colours = _has_deep_colours(image)  # now: looking for EXIF data decodes a PNG
        notes = [f"the first of its {image.n_frames} pictures"] if getattr(image, "n_frames", 1) > 1 else []
        # Both libraries turn TIFFs themselves, Pillow while it decodes them.
        turned = TURNED.get(1 if image.format == "TIFF" else image.getexif().get(ORIENTATION))
        profile, dpi = image.info.get("icc_profile"), _dpi(image)
        if image.mode in ("CMYK", "LAB"):
            notes.append(f"{image.mode} became RGB")
            pixels, profile = _as_srgb(image, profile), None
        else:
            pixels = _deep_colours(path) if deep_colours else _pixels(image)
        exif = _without_layout(image.getexif())
        if exif is None:
            notes.append("its EXIF data is damaged and was left out")
        return of_pixels(turned(pixels) if turned else pixels, About(exif or Image.Exif(), profile, dpi), tuple(notes))


def _pixels(image: Image.Image) -> numpy.ndarray:
    """[h, w] or [h, w, C]"""
    if image.mode == "F":
        raise Unreadable("it holds floating-point numbers, which have no white: save it with 16 bits first")
    if image.mode.startswith("I"):
        return _deep_grey(image)
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("L" if grey else "RGB") + ("A" if image.has_transparency_data else "")
    return numpy.asarray(image if image.mode == mode else image.convert(mode))


def _deep_grey(image: Image.Image) -> numpy.ndarray:
    values = numpy.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise Unreadable(f"its values run from {values.min()} to {values.max()}, outside 0 to 65535")
    grey, transparent = values.astype(numpy.uint16), image.info.get("transparency")
    if transparent is None:
        return grey
    return numpy.dstack([grey, numpy.where(grey == transparent, 0, 65535).astype(numpy.uint16)])


def _has_deep_colours(image: Image.Image) -> bool:
    """Pillow names how the pixels lie in the file, e.g. RGB;16B."""
    layout = str(image.tile[0].args) if image.tile else ""
    return image.format in ("PNG", "TIFF") and ";16" in layout and not image.mode.startswith("I")


def _deep_colours(path: Path) -> numpy.ndarray:
    """[h, w, C] uint16"""
    try:
        cv2 = importlib.import_module("cv2")  # half a second, for the rare file that needs it
    except ImportError as error:
        raise Unreadable("it has 16 bits per colour, which takes OpenCV to read: type pip install "
                         "opencv-python-headless, or save it with 8 bits") from error
    pixels = cv2.imdecode(numpy.fromfile(path, numpy.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != numpy.uint16 or pixels.ndim != 3:
        raise Unreadable("it has 16 bits per colour and OpenCV cannot read it: save it as a PNG")
    alpha = pixels[:, :, 3:]
    return numpy.concatenate([pixels[:, :, 2::-1], alpha], axis=2)  # OpenCV has blue first


def _as_srgb(image: Image.Image, profile: bytes | None) -> numpy.ndarray:
    """Through the file's own profile where it has a good one; either way the profile fits no longer."""
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return numpy.asarray(ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"),
                                                           outputMode="RGB"))
        except (ImageCms.PyCMSError, OSError):  # damaged, or of other colours than the file's
            pass
    return numpy.asarray(image.convert("RGB"))


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e5 and 0 < down < 1e5 else None


def _without_layout(exif: Image.Exif) -> Image.Exif | None:
    """What is left says nothing about pixels; the parts that EXIF only points to are read while the file is open."""
    for tag in LAYOUT & set(exif):
        del exif[tag]
    try:
        for part in EXIF_PARTS:
            exif.get_ifd(part)
        exif.tobytes()
    except (struct.error, ValueError, TypeError, KeyError, AttributeError, OSError, OverflowError, SyntaxError):
        return None
    return exif
