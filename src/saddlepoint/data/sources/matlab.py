"""Reads matrices of numbers from MATLAB's files of version 5 to 7 ("MAT-File Format", MathWorks 1999 and later).

A file has a header of 128 bytes and then elements: a tag (type, number of bytes) and data. A matrix is an element of
elements: flags, dimensions, name, numbers; its first dimension runs fastest. It may be compressed as a whole, by zlib.

scipy reads these files too, but a damaged one ends the process there: its numbers are read into an array of a size that
the file itself gives.
"""

import io
import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy
import torch

from saddlepoint.data.sources.opening import Damage, fill

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by type
_NUMERIC_CLASSES = range(6, 16)  # double, single and the whole numbers; others are cells, structures, text, objects
_COMPLEX = 0x0800  # among the flags
_MOST_THAT_ZLIB_SAVES = 1032
_LONGEST_NAME = 63
_MOST_DIMENSIONS = 32


def read_matrices(path: Path, names: Collection[str]) -> dict[str, numpy.ndarray]:
    """Returns those of the matrices `names` that the file has, of real numbers. Raises Damage, e.g. for one that is
    something else. Nothing but numbers is ever made of a file."""
    most_bytes = _MOST_THAT_ZLIB_SAVES * path.stat().st_size
    matrices = {}
    with path.open("rb") as stream:
        order = _byte_order(stream.read(_HEADER))
        for content in _elements(stream, order):
            name, matrix = _matrix(content, order, names, most_bytes)
            if matrix is not None:
                matrices[name] = matrix
            if len(matrices) == len(names):
                break
    return matrices


def _byte_order(header: bytes) -> str:
    """Returns < or >, as struct spells it."""
    version, order = header[124:126], {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None or version[order == "<"] != 1:
        hdf5 = header.startswith(b"MATLAB 7.3")
        raise Damage("it is a MATLAB file of version 7.3, and one of version 7 is needed" if hdf5 else
                     "it is not a MATLAB file of version 5 to 7")
    return order


def _elements(stream: BinaryIO, order: str) -> Iterator[BinaryIO]:
    """Yields the content of each matrix of the file, decompressed."""
    while tag := stream.read(8):
        kind, length = struct.unpack(f"{order}2I", _whole(tag, 8))
        begin = stream.tell()
        if kind == _COMPRESSED:
            content = io.BufferedReader(_Inflated(stream, length))
            kind, _ = struct.unpack(f"{order}2I", _whole(content.read(8), 8))
        else:
            content = stream
        if kind == _MATRIX:
            yield content
        stream.seek(begin + length)


def _matrix(stream: BinaryIO, order: str, names: Collection[str], most_bytes: int) -> tuple[str, numpy.ndarray | None]:
    """Reads a matrix: its name and its numbers, None if the name is not among `names`."""
    flags = _numbers(_element(stream, order, 8), f"{order}u4")
    shape = _numbers(_element(stream, order, 4 * _MOST_DIMENSIONS), f"{order}i4")
    name = _element(stream, order, _LONGEST_NAME).decode("latin1")
    if name not in names:
        return name, None
    if len(flags) != 2 or flags[0] & 0xFF not in _NUMERIC_CLASSES or flags[0] & _COMPLEX:
        raise Damage(f"its {name} is not a matrix of real numbers")
    kind, length, content = _tag(stream, order)
    if kind not in _NUMBERS:
        raise Damage(f"its {name} has numbers of the unknown type {kind}")
    numbers = numpy.dtype(order + _NUMBERS[kind])
    if min(shape, default=0) < 1 or math.prod(shape) * numbers.itemsize != length or length > most_bytes:
        raise Damage(f"its {name} has the shape {shape}, for which its {length:,} bytes are not right")
    if content:
        return name, numpy.frombuffer(content, numbers).reshape(shape, order="F")
    values = torch.empty(length, dtype=torch.uint8)
    if fill(values, stream) < length:
        raise Damage(f"it ends inside its {name}")
    if isinstance(stream.raw, _Inflated) and len(stream.read(9)) > 8:  # zlib compares the checksum when it gets there
        raise Damage(f"it goes on after its {name}")
    return name, values.numpy().view(numbers).reshape(shape, order="F")


def _numbers(content: bytes, kind: str) -> list[int]:
    if len(content) % 4:
        raise Damage(f"{len(content)} bytes are where numbers of four belong")
    return numpy.frombuffer(content, kind).tolist()


def _element(stream: BinaryIO, order: str, most: int) -> bytes:
    """Reads the data of a small element, of at most so many bytes."""
    _, length, content = _tag(stream, order)
    if length > most:
        raise Damage(f"an element of {length:,} bytes is where one of {most} or fewer belongs")
    padded = length + -length % 8
    return content if content or not length else _whole(stream.read(padded), padded)[:length]


def _tag(stream: BinaryIO, order: str) -> tuple[int, int, bytes]:
    """Reads the tag of an element: type, number of bytes, and the bytes themselves if they stand in the tag, as up to
    four may."""
    tag = _whole(stream.read(8), 8)
    kind, length = struct.unpack(f"{order}2I", tag)
    if kind >> 16:
        kind, length = kind & 0xFFFF, kind >> 16
        if length > 4:
            raise Damage(f"a short element has {length} bytes, more than the 4 that fit")
        return kind, length, tag[4:4 + length]
    return kind, length, b""


def _whole(content: bytes, length: int) -> bytes:
    if len(content) < length:
        raise Damage("it ends too early")
    return content


class _Inflated(io.RawIOBase):
    """A stream of what `length` bytes of another stream are, decompressed."""

    def __init__(self, stream: BinaryIO, length: int):
        self.stream, self.left, self.inflating = stream, length, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, memory: memoryview) -> int:
        while not self.inflating.eof:
            stored = self.inflating.unconsumed_tail
            if not stored:
                stored = self.stream.read(min(self.left, 1 << 16))
                self.left -= len(stored)
            if not stored:
                raise Damage("it ends inside what is compressed")
            if content := self.inflating.decompress(stored, len(memory)):
                memory[:len(content)] = content
                return len(content)
        return 0
