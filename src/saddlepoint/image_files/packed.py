"""Lets what lies inside another file, an archive for example, stand where the path of an image file does."""

import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO, ClassVar

SMALL = 1 << 16  # bytes that are read at once, even if a header alone is asked for


class Packed(ABC):
    """Bytes inside another file: an image file in an archive, or the pixels of an image in an array.

    What reads a `Path` with `open` or `read_bytes` reads these bytes too. `str` says where they are.

    size: how many bytes there are
    is_plain: whether they are pixels as they are, not of a format that may compress them
    """

    __slots__ = ()
    size: int
    is_plain: ClassVar[bool] = False

    @abstractmethod
    def read_bytes(self) -> bytes:
        """Returns all bytes. Raises Unreadable if they are not whole, as far as the file around them can tell."""

    @abstractmethod
    def part(self, begin: int, length: int) -> bytes:
        """Returns some of the bytes, fewer at the end; they need not be checked. Raises Unreadable."""

    @abstractmethod
    def state(self) -> tuple:
        """Returns what the bytes depend on: the file around them (place, size, time of change) and where they lie."""

    def open(self, mode: str = "rb") -> BinaryIO:
        """Returns a stream of all bytes."""
        return io.BytesIO(self.read_bytes())

    def in_parts(self) -> "Packed":
        """Returns the same bytes, of which a stream reads what it is asked for: a header, not a picture of
        megabytes."""
        return self if self.size <= SMALL else _InParts(self)


Place = Path | Packed  # where an image file is


class _InParts(Packed):
    def __init__(self, whole: Packed):
        self.whole, self.size = whole, whole.size

    def read_bytes(self) -> bytes:
        return self.whole.read_bytes()

    def part(self, begin: int, length: int) -> bytes:
        return self.whole.part(begin, length)

    def state(self) -> tuple:
        return self.whole.state()

    def open(self, mode: str = "rb") -> BinaryIO:
        return io.BufferedReader(_Stream(self.whole), SMALL)

    def __str__(self) -> str:
        return str(self.whole)


class _Stream(io.RawIOBase):
    """A stream that reads each part when it is asked for."""

    def __init__(self, packed: Packed):
        self.packed, self.place = packed, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.packed.size}[whence]
        if place < 0:
            raise ValueError(f"a stream has no place {place}")
        self.place = place
        return place

    def tell(self) -> int:
        return self.place

    def readinto(self, memory: memoryview) -> int:
        part = self.packed.part(self.place, len(memory))
        memory[:len(part)] = part
        self.place += len(part)
        return len(part)
