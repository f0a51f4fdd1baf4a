"""Reads parts of a large file, in any process and in any order."""

import os
import weakref
from pathlib import Path

from saddlepoint.image_files.errors import Unreadable

BINARY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
READS_AT = hasattr(os, "pread")  # not on Windows


class RandomAccessFile:
    """A file of which parts are read, and which is not expected to change.

    It is read by `pread` and not mapped into memory: both copy from the memory in which the system keeps the file, and
    a map of a file that somebody cuts short ends the process. A place of reading belongs to an open file, and `pread`
    has none; so a worker may read from the file that its parent opened.

    Raises an OSError if the file is not there.

    stays_open: whether the file is kept open, since a process may only have about a thousand open files
    """

    def __init__(self, path: Path, stays_open: bool = True):
        self.path, self.stays_open = path, stays_open
        self.status = self._status_of(path.stat())
        self.real_path = os.path.realpath(path)
        self._forget()

    @property
    def size(self) -> int:
        """How many bytes the file had when it was looked at first."""
        return self.status[1]

    def state(self) -> tuple:
        """Returns where the file is, its size and when it was changed."""
        return self.real_path, *self.status

    def read(self, begin: int, length: int) -> bytes:
        """Returns bytes of the file. Raises Unreadable if it has become shorter, or cannot be read any more."""
        try:
            handle = self._handle if self._handle is not None else self._open()
            try:
                content = _read_at(handle, begin, length)
            finally:
                if not self.stays_open:
                    os.close(handle)
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror or error}") from error
        if len(content) < length:
            raise Unreadable(f"{self.path} ends before byte {begin + length:,}")
        return content

    def require_unchanged(self) -> None:
        """Raises Unreadable if the file has been written to since it was looked at first, or is another one."""
        try:
            now = os.fstat(self._handle) if self._handle is not None else self.path.stat()
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror or error}") from error
        if self._status_of(now) != self.status:
            raise Unreadable(f"{self.path} was changed while it was being read")

    @staticmethod
    def _status_of(status: os.stat_result) -> tuple[int, int, int]:
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _open(self) -> int:
        handle = os.open(self.path, BINARY)
        if self.stays_open:
            self._handle = handle
            weakref.finalize(self, os.close, handle)
        return handle

    def _forget(self) -> None:
        self._handle: int | None = None

    def __getstate__(self) -> dict:
        """Leaves out the open file, which belongs to this process and to those that it forks."""
        return {name: value for name, value in vars(self).items() if name != "_handle"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._forget()


def _read_at(handle: int, begin: int, length: int) -> bytes:
    """Reads so many bytes, fewer at the end of the file. The system may give fewer at once, at most 2 GB on Linux."""
    parts = []
    while length > 0 and (part := _read_once(handle, begin, length)):
        parts.append(part)
        begin, length = begin + len(part), length - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_once(handle: int, begin: int, length: int) -> bytes:
    if READS_AT:
        return os.pread(handle, length, begin)
    os.lseek(handle, begin, os.SEEK_SET)
    return os.read(handle, length)
