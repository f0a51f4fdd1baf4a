"""The limits, set by the user, on which image files are read."""

from typing import TYPE_CHECKING, NamedTuple

from saddlepoint.image_files.errors import Unreadable

if TYPE_CHECKING:
    from saddlepoint.image_files.source import Source


class Limits(NamedTuple):
    """`white`: the number that is white in files of floating-point or 32-bit numbers, the same for all; None refuses
    them. `prefix` stands before the names of these settings where they are typed."""

    max_pixels: int
    white: float | None = None
    prefix: str = "data."

    def check(self, source: "Source") -> None:
        """Raises Unreadable if the header breaks a limit, since a file of a few kilobytes may unfold to gigabytes."""
        width, height = source.size
        if width * height > self.max_pixels:
            raise Unreadable(f"its {width} x {height} pixels are more than {self.prefix}max_pixels={self.max_pixels}: "
                             f"type {self.prefix}max_pixels={width * height} if you mean it")
        if self.white is None and (numbers := source.numbers):
            raise Unreadable(f"its pixels are {numbers} numbers, which do not say what is white: type "
                             f"{self.prefix}white=1 if 1 is white in all of them (or 255, 65535, ...), or save it "
                             "with 16 bits without sign")
