"""Computes digests of image files, which tell whether two folders hold the same data set, wherever they are.

runs/data_identity.py says what a run records of its data. Imports no torch.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.packed import Packed

if TYPE_CHECKING:
    from saddlepoint.data.listing import ImageFile

WHOLE = 4096  # bytes at the beginning of a file that are read; a small file is read whole
PART = 1024  # bytes that are read in the middle of a larger file, and at its end
# Formats that may store pixels without compression are read at so many places more, since an edit changes no more than
# its own bytes.
SPREAD = 64
PLAIN = (b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"8BPS",
         b"\x01\xda")
READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would be waited for


class Fingerprint:
    """Two digests of files, added one by one: `names` of their names and sizes, `contents` of a few bytes of each.

    A few bytes suffice: the end of a PNG is a checksum of its pixels, and two photographs differ in their middle.
    Reading files whole would take as long as decoding them.
    """

    def __init__(self) -> None:
        self.count, self._names, self._contents = 0, hashlib.sha256(), hashlib.sha256()

    def add(self, file: "ImageFile") -> None:
        size, content = _size_and_bytes(file)
        self.count += 1
        self._names.update(f"{file.name}\0{size}\0".encode(errors="surrogateescape"))
        self._contents.update(len(content).to_bytes(4, "big") + content)

    def as_plain(self) -> dict[str, Any]:
        """Returns the number of files and both digests, hexadecimal, in plain containers."""
        return {"images": self.count, "names": self._names.hexdigest(), "contents": self._contents.hexdigest()}


def fingerprint(files: "Iterable[ImageFile]") -> dict[str, Any]:
    """Returns the number of the files and their digests; the order of the files matters."""
    digests = Fingerprint()
    for file in files:
        digests.add(file)
    return digests.as_plain()


def _size_and_bytes(file: "ImageFile") -> tuple[int, bytes]:
    """Returns a file's size and some of its bytes; (-1, b"") if it cannot be read, which decoding reports."""
    try:
        if isinstance(file.path, Packed):
            return _size_and_bytes_of_packed(file.path)
        handle = os.open(file.path, READING)
        try:
            beginning = os.read(handle, WHOLE + 1)
            if len(beginning) <= WHOLE:
                return len(beginning), beginning
            size = os.fstat(handle).st_size
            return size, b"".join(_part(handle, *place) for place in _places(size, beginning))
        finally:
            os.close(handle)
    except (OSError, Unreadable):
        return -1, b""


def _size_and_bytes_of_packed(packed: Packed) -> tuple[int, bytes]:
    beginning = packed.part(0, WHOLE + 1)
    if len(beginning) <= WHOLE:
        return len(beginning), beginning
    return packed.size, b"".join(packed.part(*place) for place in _places(packed.size, beginning))


def _places(size: int, beginning: bytes) -> list[tuple[int, int]]:
    """Returns the places that are read of a file that is not read whole, and how many bytes at each."""
    places = [((size - PART) // 2, PART), (size - PART, PART)]
    if beginning.startswith(PLAIN):
        places += [(size * part // SPREAD, WHOLE // SPREAD) for part in range(SPREAD)]
    return places


def _part(handle: int, begin: int, length: int) -> bytes:
    os.lseek(handle, begin, os.SEEK_SET)
    return os.read(handle, length)
