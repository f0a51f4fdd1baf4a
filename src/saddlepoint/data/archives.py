"""Reads image files inside a zip archive, as StyleGAN2-ADA, StyleGAN3, EDM and R3GAN keep their data sets.

Nothing is unpacked to disk, and what the archive says of itself is not trusted: a member is read up to the size that it
declares, its checksum must be right, and an archive whose directory is odd is refused before anything is read.
"""

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from saddlepoint.data.listing import ImageFile, Listing
from saddlepoint.data.random_access import RandomAccessFile
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.packed import Packed, Place

ENDING = ".zip"
LABELS = "dataset.json"
RECORD = "saddlepoint.json"  # of archives that saddlepoint made: how, and what their classes are called
LOCAL_HEADER, LOCAL_SIGNATURE = struct.Struct("<4s22xHH"), b"PK\3\4"  # then the name and what is called extra
# A picture is compressed already; what unpacks to so many bytes and so many times its size is no picture.
BOMB_BYTES, BOMB_RATIO = 1 << 24, 100
ENCRYPTED = 1  # a bit of the flags
METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz"}  # that are not read, by number
NO_ZIP = (zipfile.BadZipFile, NotImplementedError, UnicodeError, ValueError, OverflowError, EOFError, struct.error,
          zlib.error, MemoryError)


class Member(Packed):
    """A file in a zip archive.

    file: the archive
    info: what its directory says of this file
    name: its path in the archive, with forward slashes
    """

    __slots__ = ("checksum", "file", "is_deflated", "name", "place", "size", "stored_size")

    def __init__(self, file: RandomAccessFile, info: zipfile.ZipInfo, name: str):
        self.file, self.name, self.place = file, name, info.header_offset
        self.size, self.stored_size, self.checksum = info.file_size, info.compress_size, info.CRC
        self.is_deflated = info.compress_type == zipfile.ZIP_DEFLATED

    def __str__(self) -> str:
        return f"{self.file.path}/{self.name}"

    def state(self) -> tuple:
        return (*self.file.state(), self.name, self.place, self.size, self.checksum)

    def read_bytes(self) -> bytes:
        content = self._stored(0, self.stored_size)
        if self.is_deflated:
            content = self._inflated(content)
        if len(content) != self.size or zlib.crc32(content) != self.checksum:
            raise Unreadable("it is damaged: its bytes are not those of which the archive has the checksum")
        return content

    def part(self, begin: int, length: int) -> bytes:
        if self.is_deflated:
            return self.read_bytes()[begin:begin + length]
        return self._stored(begin, max(min(length, self.size - begin), 0))

    def in_parts(self) -> Packed:
        return self if self.is_deflated else super().in_parts()

    def _stored(self, begin: int, length: int) -> bytes:
        """Returns bytes as they are in the archive, behind the header that precedes each file."""
        signature, name, extra = LOCAL_HEADER.unpack(self.file.read(self.place, LOCAL_HEADER.size))
        if signature != LOCAL_SIGNATURE:
            raise Unreadable("it is damaged: the archive has no file where its directory says")
        return self.file.read(self.place + LOCAL_HEADER.size + name + extra + begin, length)

    def _inflated(self, stored: bytes) -> bytes:
        if self.size > BOMB_BYTES and self.size > BOMB_RATIO * self.stored_size:
            raise Unreadable(f"its {self.stored_size:,} bytes unpack to {self.size:,}, which no picture does, but a "
                             "zip bomb")
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, self.size + 1)  # no more than is declared
        except zlib.error as error:
            raise Unreadable(f"it is damaged ({error})") from error


@dataclass(frozen=True)
class Archive:
    """The image files of a zip archive or a folder, sorted by name, what else is there, and its dataset.json.

    file: the archive; None for a folder
    labels: dataset.json; None if there is none
    folder: the folder in the archive in which it lies; empty: at the top. Its names are relative to it
    record: saddlepoint.json; None if there is none
    """

    file: RandomAccessFile | None
    listing: Listing
    labels: Place | None
    folder: str
    record: Place | None = None


def is_archive(path: Path) -> bool:
    """Returns whether a path is a zip archive of image files, by its ending. An .npz file is a zip archive too."""
    return path.suffix.lower() == ENDING and path.is_file()


def open_archive(path: Path, extensions: Iterable[str], where: str) -> Archive:
    """Lists an archive. Raises a RequestError if it cannot be read, or is not one that a tool makes by itself.

    extensions: the endings of image files
    where: the archive as the user typed it, e.g. `data.root=faces.zip`
    """
    try:
        file = RandomAccessFile(path)
        with zipfile.ZipFile(path) as opened:
            members = _members(file, opened.infolist(), where)
    except OSError as error:
        raise RequestError(f"{where} cannot be read: {error.strerror or error}") from error
    except NO_ZIP as error:
        raise RequestError(f"{where} is not a zip archive that can be read ({error or type(error).__name__}): a "
                           "download may have broken off. Get or make it again") from error
    endings = tuple(f".{extension.lower().removeprefix('.')}" for extension in extensions)
    labels, record = _labels(members), members.get(RECORD)
    content = Listing([], [], [], [])
    for name, member in sorted(members.items()):
        if any(part.startswith(".") for part in name.split("/")):
            content.hidden.append(name)
        elif name.lower().endswith(endings):
            content.files.append(ImageFile(name, member))
        elif member is not labels and member is not record:
            content.others.append(name)
    return Archive(file, content, labels, labels.name.removesuffix(LABELS) if labels else "", record)


def _members(file: RandomAccessFile, infos: Iterable[zipfile.ZipInfo], where: str) -> dict[str, Member]:
    """Returns the files of an archive by name. Refuses archives in which something is encrypted, packed otherwise or
    twice there, or whose names lead out of it: then other programs would see other files than we do."""
    members: dict[str, Member] = {}
    for info in infos:
        name = unicodedata.normalize("NFC", info.filename.replace("\\", "/"))
        if ".." in name.split("/") or re.match("/|[A-Za-z]:", name):
            raise RequestError(f"{where} has a file called {info.filename!r}, a path that leads out of the archive, as "
                               "only a hostile or broken one has: make it anew")
        if name.endswith("/"):
            continue
        if info.flag_bits & ENCRYPTED:
            raise RequestError(f"{where} is encrypted ({name}): make it anew without a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            method = METHODS.get(info.compress_type, f"method {info.compress_type}")
            raise RequestError(f"{where} is packed by {method} ({name}), and stored or deflated files are read: make "
                               "it anew, best stored, as images are compressed already (zip -0 -r FILE.zip FOLDER)")
        if name in members:
            raise RequestError(f"{where} has two files called {name}: make it anew with one of them")
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            raise RequestError(f"{where} says of {name} that it has {info.file_size:,} bytes and is stored as "
                               f"{info.compress_size:,}: the archive is damaged. Get or make it again")
        if info.header_offset + info.compress_size > file.size:
            raise RequestError(f"{where} says of {name} that it has {info.compress_size:,} bytes in the archive, which "
                               f"ends before: it is damaged. Get or make it again")
        members[name] = Member(file, info, name)
    return members


def _labels(members: dict[str, Member]) -> Member | None:
    """Returns dataset.json: that at the top, or the only one where a whole folder was packed."""
    if LABELS in members:
        return members[LABELS]
    found = [name for name in members if re.fullmatch(rf"[^/]+/{re.escape(LABELS)}", name)]
    return members[found[0]] if len(found) == 1 else None
