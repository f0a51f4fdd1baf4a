"""Writes a file whole or not at all: into a temporary file first, which then replaces the old one."""

import os
from collections.abc import Callable
from pathlib import Path

from saddlepoint.files import disk_space
from saddlepoint.files.names import temporary_for


def write_atomically(path: Path, write: Callable[[Path], object], durably: bool = True,
                     before: Callable[[], object] = lambda: None) -> None:
    """Calls `write` with the path of a temporary file, which then replaces `path`. If an error is raised, `path` is as
    it was. `before` is called when the temporary file is complete.

    durably: return only when the content is safely on disk, so that a power failure cannot undo it."""
    temporary = temporary_for(path)
    with disk_space.report_full_disk(path):  # outermost: free space is counted after the temporary file is deleted
        try:
            write(temporary)
            if durably:
                _flush(temporary, os.O_RDWR)
            before()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if durably:
            _flush(path.parent, os.O_RDONLY)


def _flush(path: Path, mode: int) -> None:
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
