"""Writes zip archives whose members are stored as they are, so that a program can read any part of them at once.

The bytes of an archive follow from its members alone: no date and no system is in it. Imports no torch."""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, NamedTuple

from saddlepoint.files.atomic import write_atomically

DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
UNIX = 3  # the system that the archive says it was made on
PLAIN_FILE = 0o644 << 16  # its permissions, where such a system unpacks it
HEADER = 30  # bytes before a member's name


class Member(NamedTuple):
    """Where a member lies in an archive that is being written."""

    name: str
    place: int  # of its header: bytes from the beginning
    size: int  # bytes
    checksum: int  # CRC-32

    @property
    def end(self) -> int:
        """Where the next member begins; of a member that was written by `StoredZip.add`."""
        return self.place + HEADER + len(self.name.encode()) + self.size


class StoredZip:
    """A zip archive that is being written, from the stream's position on.

    stream: an opened file, which can be sought
    members: that stand in the stream before its position already, where a program goes on with an archive
    """

    def __init__(self, stream: BinaryIO, members: Iterable[Member] = ()):
        self.archive = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self.archive.filelist.extend(map(_as_info, members))

    def __enter__(self) -> "StoredZip":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if kind is None:
            self.archive.close()
        else:
            self.archive.fp = None  # else it would write its directory when it is deleted

    def add(self, name: str, content: bytes) -> Member:
        """Appends a member."""
        info = _header(name)
        self.archive.writestr(info, content)
        return Member(name, info.header_offset, len(content), info.CRC)

    def opened(self, name: str) -> IO[bytes]:
        """Returns a stream to write a member of any size to, which must be closed before the next one is added."""
        return self.archive.open(_header(name), "w", force_zip64=True)


def write_zip(path: Path, write: Callable[[StoredZip], object]) -> None:
    """Writes a whole archive or nothing: calls `write` with one that gets its name when all is in it."""
    def into(temporary: Path) -> None:
        with temporary.open("wb") as stream, StoredZip(stream) as archive:
            write(archive)

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, into)


def _header(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, DATE)
    info.create_system, info.external_attr = UNIX, PLAIN_FILE
    return info


def _as_info(member: Member) -> zipfile.ZipInfo:
    """Returns a member as the directory at the end of an archive describes it."""
    info = _header(member.name)
    info.header_offset, info.file_size, info.compress_size, info.CRC = (member.place, member.size, member.size,
                                                                        member.checksum)
    return info
