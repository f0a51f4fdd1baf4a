"""Computes digests of image files, which tell whether two folders hold the same data set, wherever they are.

runs/data_identity.py says what a run records of its data. Imports no torch.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import partial
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
PLAIN_ENDINGS = (".tga", ".dib")  # of such formats without bytes at the beginning to know them by
AT_ONCE = SPREAD * 4096  # bytes of a row of an array, up to which it has no more pages than places that are read
READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would be waited for


class Fingerprint:
    """Digests of files, added one by one: `names` of their names and sizes, `contents` of a few bytes of each.

    A few bytes suffice: the end of a PNG is a checksum of its pixels, and two photographs differ in their middle.
    Reading files whole would take as long as decoding them. `spread` is of more bytes of rows of arrays and of files of
    PLAIN_ENDINGS, and a digest of its own, since earlier versions recorded `contents` without them.
    """

    def __init__(self) -> None:
        self.count, self._names, self._contents = 0, hashlib.sha256(), hashlib.sha256()
        self._spread = hashlib.sha256()
        self._has_spread = False

    def add(self, file: "ImageFile") -> None:
        size, content, spread = _size_and_bytes(file)
        self.count += 1
        self._names.update(f"{file.name}\0{size}\0".encode(errors="surrogateescape"))
        self._contents.update(len(content).to_bytes(4, "big") + content)
        self._spread.update(len(spread).to_bytes(4, "big") + spread)
        self._has_spread |= bool(spread)

    def as_plain(self) -> dict[str, Any]:
        """Returns the number of files and the digests, hexadecimal, in plain containers."""
        digests = {"images": self.count, "names": self._names.hexdigest(), "contents": self._contents.hexdigest()}
        return digests | ({"spread": self._spread.hexdigest()} if self._has_spread else {})


def fingerprint(files: "Iterable[ImageFile]") -> dict[str, Any]:
    """Returns the number of the files and their digests; the order of the files matters."""
    digests = Fingerprint()
    for file in files:
        digests.add(file)
    return digests.as_plain()


def _size_and_bytes(file: "ImageFile") -> tuple[int, bytes, bytes]:
    """Returns a file's size, some of its bytes for `contents`, and those for `spread`; (-1, b"", b"") if it cannot be
    read, which decoding reports."""
    is_plain = file.name.lower().endswith(PLAIN_ENDINGS)
    try:
        if isinstance(file.path, Packed):
            return _size_and_bytes_of_packed(file.path, is_plain)
        handle = os.open(file.path, READING)
        try:
            return _parts(os.read(handle, WHOLE + 1), os.fstat(handle).st_size, partial(_part, handle), is_plain)
        finally:
            os.close(handle)
    except (OSError, Unreadable):
        return -1, b"", b""


def _size_and_bytes_of_packed(packed: Packed, is_plain: bool) -> tuple[int, bytes, bytes]:
    if packed.is_plain and packed.size <= AT_ONCE:
        content = packed.read_bytes()
        return _parts(content[:WHOLE + 1], packed.size, lambda begin, length: content[begin:begin + length], True)
    return _parts(packed.part(0, WHOLE + 1), packed.size, packed.part, is_plain or packed.is_plain)


def _parts(beginning: bytes, size: int, read: Callable[[int, int], bytes], is_plain: bool) -> tuple[int, bytes, bytes]:
    """Returns what _size_and_bytes does. `read`: place, number of bytes -> the bytes; is_plain: for `spread`"""
    if len(beginning) <= WHOLE:
        return len(beginning), beginning, b""
    places, spread = [((size - PART) // 2, PART), (size - PART, PART)], []
    further = [(size * part // SPREAD, WHOLE // SPREAD) for part in range(SPREAD)]
    if beginning.startswith(PLAIN):
        places += further
    elif is_plain:
        spread = further
    return size, b"".join(read(*place) for place in places), b"".join(read(*place) for place in spread)


def _part(handle: int, begin: int, length: int) -> bytes:
    os.lseek(handle, begin, os.SEEK_SET)
    return os.read(handle, length)
