"""Finds out whether a file can be written before hours are spent on computing it. Imports no torch."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files import disk_space

LITTLE = b"\0" * 4096  # a disk that has not even this is full
TRIES = 3  # another process may try the same place, and remove the folders it made for that


def require_writable(path: Path, typed: str) -> None:
    """Writes a small file where `path` is to be, with the folders it needs, and removes it again. Raises a
    RequestError or DiskFull that says what is in the way. `typed`: the setting that names the place, as it was
    typed."""
    try:
        with disk_space.naming(path):
            for left in reversed(range(TRIES)):
                try:
                    _try(path)
                    break
                except FileNotFoundError:
                    if not left:
                        raise
        if path.is_dir():
            raise RequestError(f"{typed} cannot be written: {path} is a folder. Choose another name")
    except DiskFull as full:
        raise DiskFull(f"{full}. Make room, or choose another place with {typed.partition('=')[0]}=") from full
    except OSError as error:
        why = "no file can be made there" if isinstance(error, FileNotFoundError) else error.strerror or error
        raise RequestError(f"{typed} cannot be written: {_in_the_way(path.parent) or why}. "
                           "Choose a place you may write to") from error


def require_all_writable(paths: Iterable[Path], typed: str) -> None:
    """Calls `require_writable` for one path of each folder."""
    for path in {path.parent: path for path in paths}.values():
        require_writable(path, typed)


def is_taken(path: Path) -> bool:
    """Returns whether something stands at the path. Nothing has a name that is too long; `require_writable` refuses
    it."""
    return os.path.exists(path)  # noqa: PTH110  Path.exists raises then


def _try(path: Path) -> None:
    folder = path.parent
    missing = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(LITTLE)
            file.flush()
        with suppress(FileNotFoundError):
            path.lstat()  # fails otherwise where the name is too long, or no name here
    finally:
        for parent in missing:
            with suppress(OSError):  # never made, or in use by now
                parent.rmdir()


def _missing(folder: Path) -> list[Path]:
    """Returns those of the folder and its parents that do not exist, the innermost first."""
    chain = [folder, *folder.parents]
    return chain[:next((number for number, each in enumerate(chain) if os.path.lexists(each)), 0)]


def _in_the_way(folder: Path) -> str:
    """Returns the file that stands where a folder would have to be, if there is one."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each):
            return "" if each.is_dir() else f"{each} is a {'file' if each.exists() else 'broken link'}, not a folder"
    return ""
