"""Reads IDX, the format of MNIST's files (http://yann.lecun.com/exdb/mnist/, "the IDX file format").

A file has two zero bytes, a byte for the type (8: unsigned byte), a byte for the number of dimensions, each dimension
as a big-endian number of 32 bits, and then the values, whose last dimension runs fastest.
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from saddlepoint.data.sources.opening import Damage, fill, unzipped

_UNSIGNED_BYTE = 8
_MOST_THAT_GZIP_SAVES = 1032  # deflate's limit: content is at most this many times as large as its file


def read_idx(path: Path, num_dimensions: int) -> Tensor:
    """Reads a file into a uint8 tensor of `num_dimensions`. Refuses files that are damaged or of another kind."""
    with unzipped(path) as stream:
        return read_idx_stream(stream, num_dimensions, path.stat().st_size)


def read_idx_stream(stream: BinaryIO, num_dimensions: int, stored_bytes: int) -> Tensor:
    """Reads what `read_idx` reads, from a stream of unzipped bytes. Raises Damage. `stored_bytes`: size of the file,
    which limits how many bytes its header can promise."""
    shape = _shape(stream, num_dimensions)
    length = math.prod(shape)
    if not 0 < length <= _MOST_THAT_GZIP_SAVES * stored_bytes:
        raise Damage(f"its header promises {length:,} values, which a file of this size cannot hold")
    values = torch.empty(shape, dtype=torch.uint8)
    if (missing := length - fill(values, stream)) > 0:
        raise Damage(f"{missing:,} of the {length:,} bytes that its header promises are missing at its end")
    if stream.read(1):
        raise Damage(f"it goes on after the {length:,} bytes that its header promises")
    return values


def _shape(stream: BinaryIO, num_dimensions: int) -> tuple[int, ...]:
    magic, expected = stream.read(4), bytes((0, 0, _UNSIGNED_BYTE, num_dimensions))
    if magic != expected:
        raise Damage(f"its first bytes are {magic.hex(' ') or 'missing'}, those of an IDX file of unsigned bytes in "
                     f"{num_dimensions} dimensions are {expected.hex(' ')}")
    header = stream.read(4 * num_dimensions)
    if len(header) < 4 * num_dimensions:
        raise Damage("it ends inside its header")
    return struct.unpack(f">{num_dimensions}I", header)
