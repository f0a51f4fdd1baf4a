"""Reads the chunks of a PNG file (https://www.w3.org/TR/png-3/#5Chunk-layout), and writes files without compression."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
ORIENTED_TEXTS = (b"Raw profile type ", b"XML:com.adobe.xmp")  # how texts begin that may hold an orientation
KEYWORD = 80  # bytes that the name of a text takes at most
NEEDED_TO_READ = 0x20  # this bit of a name's first letter is 0 in chunks that no reader may skip


class Chunk(NamedTuple):
    """A part of a PNG file: pixels, a text, a colour profile, ..."""

    name: bytes
    data: bytes
    raw: bytes  # with length and checksum, as it lies in the file

    @property
    def is_whole(self) -> bool:
        return struct.pack(">I", zlib.crc32(self.name + self.data)) == self.raw[-4:]

    @property
    def may_be_skipped(self) -> bool:
        return bool(self.name[0] & NEEDED_TO_READ)


def chunks(stream: BinaryIO) -> Iterator[Chunk]:
    """Yields the chunks of a PNG file, from behind its signature to the end of the last complete one."""
    while len(header := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", header)
        rest = stream.read(length + 4)
        if len(rest) < length + 4:
            return
        yield Chunk(name, rest[:length], header + rest)


def may_be_turned(stream: BinaryIO) -> bool:
    """Returns whether a PNG file has a chunk that may say how its picture is turned. Reads no pixels."""
    stream.seek(len(SIGNATURE))
    while len(header := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", header)
        beginning = stream.read(min(length, KEYWORD)) if name in TEXTS else b""
        if name == b"eXIf" or beginning.startswith(ORIENTED_TEXTS):
            return True
        stream.seek(length + 4 - len(beginning), os.SEEK_CUR)
    return False


def copy_without_damaged_chunks(stream: BinaryIO) -> tuple[BinaryIO, list[str]]:
    """Returns a copy of the file that Pillow may accept, and the names of the chunks left out of it: all texts, and
    other chunks with a wrong checksum that a reader may skip.

    Pillow refuses a whole picture for one wrong checksum beside the pixels. Chunks that the pixels need are copied as
    they are, so that a picture that is damaged itself is still refused.
    """
    stream.seek(len(SIGNATURE))
    intact, left_out = [SIGNATURE], []
    end = len(SIGNATURE)
    for chunk in chunks(stream):
        end += len(chunk.raw)
        if chunk.may_be_skipped and (chunk.name in TEXTS or not chunk.is_whole):
            left_out.append(chunk.name.decode("latin-1"))
        else:
            intact.append(chunk.raw)
    stream.seek(end)
    intact.append(stream.read())  # an incomplete chunk: Pillow decides whether it is needed
    return io.BytesIO(b"".join(intact)), left_out


def without_compression(pixels: numpy.ndarray) -> bytes:
    """Returns the content of a PNG file of pixels, uint8 [h, w, C] with C 1 (grey) or 3 (RGB), as it is read and
    written fastest: no row is filtered, and zlib stores what it is given."""
    height, width, channels = pixels.shape
    rows = numpy.zeros((height, 1 + width * channels), numpy.uint8)  # each begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    colour_type = {1: 0, 3: 2}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in (
        (b"IHDR", header), (b"IDAT", zlib.compress(rows, level=0)), (b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
