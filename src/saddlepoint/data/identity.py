"""What a data set is, wherever it lies: its classes, how many images, digests of its files or of its pixels.

runs/data_identity.py says what a run keeps of it. Imports no torch.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saddlepoint.data.listing import ImageFile

WHOLE, PART = 4096, 1024  # bytes: a small file is read whole; of larger ones, so many in the middle and at the end
# Of formats that may hold pixels as they are, where an edit changes no more than its own bytes: so many places more.
SPREAD = 64
PLAIN = (b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"8BPS",
         b"\x01\xda")
READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would be waited for


class Fingerprint:
    """Digests of files, added one by one: `names` of names and sizes, `contents` of a few bytes of each. The end of a
    PNG is a checksum of its pixels, and two photographs differ in their middle; reading files whole would take as long
    as decoding them."""

    def __init__(self) -> None:
        self.count, self._names, self._contents = 0, hashlib.sha256(), hashlib.sha256()

    def add(self, file: "ImageFile") -> None:
        size, content = _looked_into(file)
        self.count += 1
        self._names.update(f"{file.name}\0{size}\0".encode(errors="surrogateescape"))
        self._contents.update(len(content).to_bytes(4, "big") + content)

    def as_plain(self) -> dict[str, Any]:
        return {"images": self.count, "names": self._names.hexdigest(), "contents": self._contents.hexdigest()}


def fingerprint(files: "Iterable[ImageFile]") -> dict[str, Any]:
    found = Fingerprint()
    for file in files:
        found.add(file)
    return found.as_plain()


def _looked_into(file: "ImageFile") -> tuple[int, bytes]:
    """-> its size and some of its bytes; -1 and none where it cannot be read, which is said where it is decoded"""
    try:
        handle = os.open(file.path, READING)
        try:
            beginning = os.read(handle, WHOLE + 1)
            if len(beginning) <= WHOLE:
                return len(beginning), beginning
            size = os.fstat(handle).st_size
            places = [((size - PART) // 2, PART), (size - PART, PART)]
            if beginning.startswith(PLAIN):
                places += [(size * part // SPREAD, WHOLE // SPREAD) for part in range(SPREAD)]
            return size, b"".join(_part(handle, *place) for place in places)
        finally:
            os.close(handle)
    except OSError:
        return -1, b""


def _part(handle: int, begin: int, length: int) -> bytes:
    os.lseek(handle, begin, os.SEEK_SET)
    return os.read(handle, length)
