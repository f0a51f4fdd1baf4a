"""Decodes image files of every kind to 8 bits of grey or RGB, for training and metrics.

Colours become grey by the luma of ITU-R BT.601. Transparent images are laid over black, the colour of padding. 16-bit
values are divided by 257, so that 65535 becomes 255 and none is clipped.
"""

from pathlib import Path
from typing import NamedTuple

import numpy
from PIL import Image

from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.levels import to_eight_bits
from saddlepoint.image_files.opening import MOST_PIXELS, Limits, open_image
from saddlepoint.image_files.source import UPRIGHT, Source

__all__ = ["MODES", "MOST_PIXELS", "Header", "Limits", "Unreadable", "decode", "header_of"]

MODES = {1: "L", 3: "RGB"}  # by number of channels
TRANSPOSED = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
              5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
              8: Image.Transpose.ROTATE_90}  # as stored -> upright, by EXIF's number


class Header(NamedTuple):
    """What the header of an image file tells of its image."""

    width: int  # as stored: an image that EXIF turns by 90 degrees has this height once it is decoded
    height: int
    channels: int  # 1: grey, 3: colour
    losses: tuple[str, ...]  # what decoding loses, in words that are the same for all files of a kind


def header_of(path: Path, limits: Limits) -> Header:
    """Reads the header alone, without decoding. Raises Unreadable."""
    with open_image(path, limits) as source:
        if source.is_plain:
            return Header(*source.size, 1 if source.is_grey else 3, ())
        losses = source.losses()
        if source.is_deep:
            losses.append("more than 8 bits a channel became 8")
        if source.has_alpha:
            losses.append("what is transparent was laid over black")
        if source.has_several:
            losses.append("of several pictures in a file the first is used")
        return Header(*source.size, 1 if source.is_grey else 3, tuple(losses))


def decode(path: Path, channels: int, limits: Limits) -> Image.Image:
    """Returns the image in mode L (`channels` 1) or RGB (3), upright as its EXIF data says. Of several pictures in one
    file it reads the first. Raises Unreadable."""
    with open_image(path, limits) as source:
        image = _as_image(to_eight_bits(source.pixels(limits.white))) if source.has_own_reader else _upright(source)
        return _without_transparency(image).convert(MODES[channels])


def _as_image(pixels: numpy.ndarray) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _upright(source: Source) -> Image.Image:
    number = source.orientation()
    return source.image if number == UPRIGHT else source.image.transpose(TRANSPOSED[number])


def _without_transparency(image: Image.Image) -> Image.Image:
    """Converts to a mode without alpha; palettes and the rarer colour spaces become RGB."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image if image.mode in ("1", "L") else image.convert("RGB")
