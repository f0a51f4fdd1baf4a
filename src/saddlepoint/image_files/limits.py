"""Which image files are taken at all, as the user's settings say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.source import Source, opened


class Limits(NamedTuple):
    """`white`: the number that is white in files of floating-point or 32-bit numbers, the same for all; None refuses
    them. `prefix` stands before the names of these settings where they are typed."""

    max_pixels: int
    white: float | None = None
    prefix: str = "data."


@contextmanager
def within(path: Path, limits: Limits) -> Iterator[Source]:
    """Opens the file if its header keeps the limits: a file of a few kilobytes may unfold to gigabytes."""
    with opened(path) as source:
        width, height = source.size
        if width * height > limits.max_pixels:
            raise Unreadable(f"its {width} x {height} pixels are more than {limits.prefix}max_pixels="
                             f"{limits.max_pixels}: type {limits.prefix}max_pixels={width * height} if you mean it")
        if source.numbers and limits.white is None:
            raise Unreadable(f"its pixels are {source.numbers} numbers, which do not say what is white: type "
                             f"{limits.prefix}white=1 if 1 is white in all of them (or 255, 65535, ...), or save it "
                             "with 16 bits without sign")
        yield source
