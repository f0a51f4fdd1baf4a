"""Converts CMYK and CIELAB colours to sRGB, through the file's ICC profile if it has one. h x w pixels."""

import io

import numpy
from PIL import Image, ImageCms

COLOUR_SPACE = slice(16, 20)  # bytes of an ICC profile's header (ICC.1:2022, 7.2)
SPACES = {"GRAY": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}


def fits(profile: bytes, colours: str) -> bool:
    """Returns whether a profile is one for `colours` (a key of SPACES). Colour engines refuse others."""
    return profile[COLOUR_SPACE] == SPACES[colours]


def to_srgb(image: Image.Image, profile: bytes | None) -> numpy.ndarray:
    """Returns the picture in sRGB, uint8 [h, w, 3], converted through its profile unless that is damaged or None."""
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return numpy.asarray(ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"),
                                                           outputMode="RGB"))
        except (ImageCms.PyCMSError, OSError):  # damaged
            pass
    return numpy.asarray(image.convert("RGB"))


def grey_to_srgb(grey: numpy.ndarray, profile: bytes) -> numpy.ndarray:
    """Converts grey, uint8 [h, w], through a profile of grey to sRGB, uint8 [h, w, 3]."""
    return to_srgb(Image.fromarray(grey), profile)


def cmyk_to_srgb(ink: numpy.ndarray, profile: bytes | None) -> numpy.ndarray:
    """Converts amounts of ink, uint8 or uint16 [h, w, 4, or 5 with alpha], to RGB [h, w, 3, or 4 with alpha]: through a
    profile to uint8, as the colour engine has no more bits; without one as ink on white paper, in the file's depth."""
    full = numpy.iinfo(ink.dtype).max
    if profile:
        eight = numpy.rint(ink * (255 / full)).astype(numpy.uint8)
        image = Image.frombytes("CMYK", ink.shape[1::-1], numpy.ascontiguousarray(eight[:, :, :4]).tobytes())
        return numpy.concatenate([to_srgb(image, profile), eight[:, :, 4:]], axis=2)
    light = full - ink[:, :, :4].astype(numpy.float64)
    colours = numpy.rint(light[:, :, :3] * light[:, :, 3:] / full).astype(ink.dtype)
    return numpy.concatenate([colours, ink[:, :, 4:]], axis=2)
