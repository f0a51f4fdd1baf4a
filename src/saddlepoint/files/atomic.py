"""Writes files whole or not at all: into a temporary file first, which then takes the place of the old one."""

import os
from collections.abc import Callable
from pathlib import Path

from saddlepoint.files import disk_space
from saddlepoint.files.names import temporary_for


def write_atomically(path: Path, write: Callable[[Path], object], durably: bool = True,
                     before: Callable[[], object] = lambda: None) -> None:
    """Calls `write` with a temporary file beside `path`, which then replaces `path`: the file is written whole or
    not at all.

    With `durably` it returns only when the content is safely on disk, so that a power failure cannot undo it."""
    temporary = temporary_for(path)
    with disk_space.naming(path):  # outermost, so that what is free is counted when the temporary file is gone
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
