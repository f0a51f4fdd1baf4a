"""Reads image sizes: one number is the side of squares, [height,width] are the sides of other rectangles. Imports no
torch.

The number and the list are two spellings for two kinds of images, so [64,64] is refused and 64 is typed for it. Then
equal images have equal settings.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple


class Sides(NamedTuple):
    """Height and width of an image in pixels. As a text it is what people type: 64, or [64,96]."""

    height: int
    width: int

    def __str__(self) -> str:
        return str(self.height) if self.is_square else f"[{self.height},{self.width}]"

    @property
    def is_square(self) -> bool:
        return self.height == self.width

    @property
    def image_size(self) -> "int | Sides":
        """The setting for these sides: the number for squares, both sides for others."""
        return self.height if self.is_square else self

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def words(self) -> str:
        return f"{self.height} x {self.width}"

    def divided(self, divisor: int) -> "Sides":
        """Returns both sides divided by a whole number, rounded down."""
        return Sides(self.height // divisor, self.width // divisor)

    def covering(self, picture: "Sides") -> "Sides":
        """Returns the sides of a picture that is resized in proportion until it just covers these."""
        if picture.width * self.height <= picture.height * self.width:
            return Sides(round(picture.height * self.width / picture.width), self.width)
        return Sides(self.height, round(picture.width * self.height / picture.height))

    def nearest_multiple(self, step: int) -> "Sides":
        """Returns the nearest sides, of at least `step` pixels, that are multiples of `step`."""
        return Sides(*(max(round(side / step), 1) * step for side in self))


def sides_of(image_size: int | Sequence[int], setting: str = "data.image_size") -> Sides:
    """Returns the sides of a setting. Raises a ValueError if it is no image size."""
    if isinstance(image_size, Sides):
        return image_size
    if problem := must_be(image_size):
        typed = str(list(image_size)).replace(" ", "") if isinstance(image_size, list | tuple) else image_size
        raise ValueError(f"{setting}={typed} must be {problem}")
    return Sides(image_size, image_size) if isinstance(image_size, int) else Sides(*image_size)


def must_be(value: object) -> str | None:
    """Returns what an image size must be, or None when it is that already."""
    if _is_side(value):
        return None
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_side, value)):
        height, width = value
        return None if height != width else f"{height}, as both sides are equal"
    numbers = [*map(int, re.findall(r"\d{1,6}", str(value)))]
    height, width = numbers if len(numbers) == 2 and min(numbers) >= 1 and numbers[0] != numbers[1] else (64, 96)
    return f"a whole number of at least 1, or [height,width] of images that are not square, e.g. [{height},{width}]"


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
