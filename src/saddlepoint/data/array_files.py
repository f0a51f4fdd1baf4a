"""Finds the arrays in .npy and .npz files without reading them, and never unpickles anything.

The formats are NumPy's (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): an .npz file is a zip
archive of .npy files, each a header and then the numbers.
"""

import math
import tokenize
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy
import torch
from numpy.lib import format as npy

from saddlepoint.data.archives import ENCRYPTED, LOCAL_HEADER, LOCAL_SIGNATURE, NO_ZIP
from saddlepoint.data.random_access import RandomAccessFile
from saddlepoint.data.residence import in_words
from saddlepoint.errors import RequestError
from saddlepoint.game.device_memory import free_bytes
from saddlepoint.image_files.errors import Unreadable

ENDINGS = (".npy", ".npz")
BLOCK = 1 << 24  # bytes that are unpacked at once
MOST_LABELS = 1 << 28
# What NumPy raises on the text of a header that is no description of an array.
ODD_HEADER = (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, of which parts are read when they are needed.

    file: the file
    name: of the array in an .npz file; empty in an .npy file
    shape, kind: of the array, and of its numbers
    begin: where its numbers begin in the file; None if they are compressed
    """

    file: RandomAccessFile
    name: str
    shape: tuple[int, ...]
    kind: numpy.dtype
    begin: int | None

    @property
    def label(self) -> str:
        """Its name in a message."""
        return self.name or "its array"

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.kind.itemsize

    def unpacked(self) -> numpy.ndarray:
        """Returns the whole array, in memory. Raises a RequestError if there is too little, or the file is damaged."""
        free = free_bytes(torch.device("cpu"))
        if free is not None and self.num_bytes > free:
            raise RequestError(f"{self.file.path}: {self.label} takes {in_words(self.num_bytes)} of memory once it is "
                               f"unpacked, and this machine has {in_words(free)} free: save it uncompressed "
                               "(numpy.savez), so that it can be read in parts")
        array = numpy.empty(self.shape, self.kind)
        memory = memoryview(array.reshape(-1).view(numpy.uint8))
        try:
            with self._stream() as stream:
                filled = 0
                while filled < len(memory) and (count := stream.readinto(memory[filled:filled + BLOCK])):
                    filled += count
                if filled < len(memory) or stream.read(1):  # which checks the checksum of an .npz file, too
                    raise Unreadable(f"its header promises {len(memory):,} bytes, and there are "
                                     f"{'fewer' if filled < len(memory) else 'more'}")
        except (Unreadable, OSError, *NO_ZIP) as error:
            raise damaged(self.file.path, error) from error
        return array

    @contextmanager
    def _stream(self) -> Iterator[BinaryIO]:
        """Opens the file behind the header of the array."""
        if not self.name:
            with self.file.path.open("rb") as stream:
                stream.seek(self.begin)
                yield stream
        else:
            with zipfile.ZipFile(self.file.path) as archive, archive.open(f"{self.name}.npy") as stream:
                read_header(stream)
                yield stream


def is_array_file(path: Path) -> bool:
    """Returns whether a path is a file of NumPy's, by its ending."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def open_arrays(path: Path, stays_open: bool = True) -> dict[str, StoredArray]:
    """Returns the arrays of an .npz file by name, or that of an .npy file under an empty name; those that are not
    numbers are left out. Raises a RequestError if the file is damaged, cut short or not of these formats."""
    try:
        file = RandomAccessFile(path, stays_open)
        return _of_npz(file) if path.suffix.lower() == ENDINGS[1] else _of_npy(file)
    except (Unreadable, OSError, *NO_ZIP) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> RequestError:
    """Returns the error for a file that cannot be read."""
    reason = getattr(error, "strerror", None) or error or type(error).__name__
    return RequestError(f"{path} is not a whole file of arrays as NumPy saves them ({reason}): a copy or download may "
                        "have broken off. Get or make it again")


def require_numbers(array: StoredArray) -> None:
    """Refuses an array of Python objects."""
    if array.kind.hasobject:
        raise RequestError(f"{array.file.path}: {array.label} holds Python objects, which are pickled, and reading "
                           "them would run whatever code they name. Save it as an array of numbers")


def read_header(stream: BinaryIO) -> tuple[tuple[int, ...], numpy.dtype]:
    """Reads the header of an .npy file: shape and kind of its numbers. Raises Unreadable."""
    version = _version(stream)
    readers: dict[tuple[int, int], Callable] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise Unreadable(f"its arrays are in version {'.'.join(map(str, version))} of the format, which is not read")
    try:
        shape, is_fortran, kind = readers[version](stream)
    except ODD_HEADER as error:
        raise Unreadable(f"the header of its array cannot be read: {error}") from error
    if is_fortran and len(shape) > 1:
        raise Unreadable("its array is stored column by column; save numpy.ascontiguousarray(ARRAY)")
    if any(length < 0 for length in shape):
        raise Unreadable(f"its header has the shape {shape}")
    return shape, kind


def _version(stream: BinaryIO) -> tuple[int, int]:
    try:
        return npy.read_magic(stream)
    except ValueError as error:
        raise Unreadable(f"it is none that NumPy saved: {error}") from error


def _of_npy(file: RandomAccessFile) -> dict[str, StoredArray]:
    with file.path.open("rb") as stream:
        shape, kind = read_header(stream)
        array = StoredArray(file, "", shape, kind, stream.tell())
    require_numbers(array)
    _require_length(array, file.size - array.begin)
    return {"": array}


def _of_npz(file: RandomAccessFile) -> dict[str, StoredArray]:
    arrays: dict[str, StoredArray] = {}
    with zipfile.ZipFile(file.path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename or info.flag_bits & ENCRYPTED:
                continue
            if name in arrays:
                raise Unreadable(f"it has two arrays called {name}")
            with archive.open(info) as stream:
                try:
                    shape, kind = read_header(stream)
                except Unreadable as error:
                    raise Unreadable(f"{name}: {error}") from error
                length = info.file_size - stream.tell()
            is_stored = info.compress_type == zipfile.ZIP_STORED
            array = StoredArray(file, name, shape, kind, None)
            if not kind.hasobject:
                _require_length(array, length)
            begin = _begin_of(file, info) + info.file_size - length if is_stored else None
            arrays[name] = StoredArray(file, name, shape, kind, begin)
    return arrays


def _begin_of(file: RandomAccessFile, info: zipfile.ZipInfo) -> int:
    """Returns where a stored file begins in its archive."""
    signature, name, extra = LOCAL_HEADER.unpack(file.read(info.header_offset, LOCAL_HEADER.size))
    if signature != LOCAL_SIGNATURE or info.compress_size != info.file_size:
        raise Unreadable(f"{info.filename} does not lie where its directory says")
    return info.header_offset + LOCAL_HEADER.size + name + extra


def _require_length(array: StoredArray, length: int) -> None:
    if array.num_bytes != length:
        raise Unreadable(f"{array.label} of shape {array.shape} takes {array.num_bytes:,} bytes, and there are "
                         f"{length:,}")
