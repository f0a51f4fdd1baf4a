"""From images of any size to squares: how an image is brought near the size, then which square of it is taken.

H x W pixels of C channels; S x S is the square wanted.
"""

from math import floor, prod

import numpy
from PIL import Image

from saddlepoint.checks import one_of
from saddlepoint.data.decoding import MOST_PIXELS, Unreadable

RESIZINGS = ("short_side", "stretch", "none")
CROPS = ("center", "random", "none")


class ResizeAndCrop:
    """`resize`: short_side (the shorter side becomes S, the shape is kept), stretch (both sides become S), none.
    `crop`: center, random (another place each time the image comes by), none (the image must be S x S by then)."""

    def __init__(self, image_size: int, resize: str, crop: str):
        self.image_size = image_size
        self.resize = one_of("resize", resize, RESIZINGS)
        self.crop = one_of("crop", crop, CROPS)
        if resize == "short_side" and crop == "none":
            raise ValueError("data.crop=none with data.resize=short_side leaves images that are not square: "
                             "type data.crop=center, or data.resize=stretch")

    @property
    def is_random(self) -> bool:
        return self.crop == "random" and self.resize != "stretch"

    def check(self, width: int, height: int) -> None:
        """Whether an image of these sides can fill the square; turning it by 90 degrees does not matter."""
        if self.resize != "none":
            if prod(self._new_size(width, height)) > MOST_PIXELS:
                raise Unreadable(f"its sides of {width} and {height} pixels are too unequal for data.resize=short_side")
            return
        if min(width, height) < self.image_size:
            raise Unreadable(f"its {width} x {height} pixels are less than data.image_size={self.image_size}, "
                             f"and data.resize=none")
        if self.crop == "none" and (width, height) != (self.image_size, self.image_size):
            raise Unreadable(f"it has {width} x {height} pixels, not data.image_size={self.image_size}, "
                             f"and data.resize=none data.crop=none")

    def scaled(self, image: Image.Image) -> Image.Image:
        """Bicubic; Pillow widens the filter when it shrinks, which is antialiasing."""
        new_size = self._new_size(*image.size)
        return image if new_size == image.size else image.resize(new_size, Image.Resampling.BICUBIC)

    def cropped(self, pixels: numpy.ndarray, point: tuple[float, float] = (0.5, 0.5)) -> numpy.ndarray:
        """[H, W, C] -> [S, S, C], at `point` of the places there are: (0, 0) is the top left one, the middle is the
        centre"""
        spare_rows, spare_columns = (side - self.image_size for side in pixels.shape[:2])
        top, left = floor(point[0] * (spare_rows + 1)), floor(point[1] * (spare_columns + 1))
        return pixels[top:top + self.image_size, left:left + self.image_size]

    def _new_size(self, width: int, height: int) -> tuple[int, int]:
        if self.resize == "none":
            return width, height
        if self.resize == "stretch":
            return self.image_size, self.image_size
        short = min(width, height)
        return round(width * self.image_size / short), round(height * self.image_size / short)
