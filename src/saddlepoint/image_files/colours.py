"""Converts colours that no screen shows (CMYK, CIELAB) to sRGB, and reads what an ICC profile is for."""

import io

import numpy
from PIL import Image, ImageCms

PLACE = slice(16, 20)  # in an ICC profile's header (ICC.1:2022, 7.2): the colours of the files it describes
SPACES = {"GRAY": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK", "LAB": b"Lab "}


def fits(profile: bytes, colours: str) -> bool:
    """Returns whether the profile describes grey, RGB, CMYK or LAB pixels like these; colour engines refuse a
    profile of other pixels."""
    return profile[PLACE] == SPACES[colours]


def to_srgb(image: Image.Image, profile: bytes | None) -> numpy.ndarray:
    """-> uint8 [h, w, 3], through the file's own profile where it has a good one"""
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return numpy.asarray(ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"),
                                                           outputMode="RGB"))
        except (ImageCms.PyCMSError, OSError):  # damaged
            pass
    return numpy.asarray(image.convert("RGB"))


def grey_to_srgb(grey: numpy.ndarray, profile: bytes) -> numpy.ndarray:
    """uint8 [h, w], profile: one of grey -> uint8 [h, w, 3]"""
    return to_srgb(Image.fromarray(grey), profile)


def cmyk_to_srgb(ink: numpy.ndarray, profile: bytes | None) -> numpy.ndarray:
    """ink: uint8 or uint16 [h, w, 4, or 5 with alpha] -> [h, w, 3 or 4]: 8 bits through a profile, which is all that
    the colour engine has; else the file's own depth, ink on white"""
    full = numpy.iinfo(ink.dtype).max
    if profile:
        eight = numpy.rint(ink * (255 / full)).astype(numpy.uint8)
        image = Image.frombytes("CMYK", ink.shape[1::-1], numpy.ascontiguousarray(eight[:, :, :4]).tobytes())
        return numpy.concatenate([to_srgb(image, profile), eight[:, :, 4:]], axis=2)
    light = full - ink[:, :, :4].astype(numpy.float64)
    colours = numpy.rint(light[:, :, :3] * light[:, :, 3:] / full).astype(ink.dtype)
    return numpy.concatenate([colours, ink[:, :, 4:]], axis=2)
