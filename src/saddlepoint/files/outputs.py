"""Checks whether a file can be written, before hours are spent on computing it. Imports no torch."""

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files import disk_space

LITTLE = b"\0" * 4096  # a disk without room for this is full
# Settings of commands that measure a run, of which nothing depends that they find
OF_THE_CALL = ("run", "output", "overwrite", "threads", "device", "extensions", "choices")
TRIES = 3  # another process may check the same place, and delete the folders between two steps of ours


def require_writable(path: Path, typed: str) -> None:
    """Writes a small file into the folder of `path`, making it if needed, and deletes both again. Raises a RequestError
    or a DiskFull that says why it cannot be written. `typed`: the setting with its value that names the place."""
    try:
        with disk_space.report_full_disk(path):
            for tries_left in reversed(range(TRIES)):
                try:
                    _try_to_write(path)
                    break
                except FileNotFoundError:
                    if not tries_left:
                        raise
        if path.is_dir():
            raise RequestError(f"{typed} cannot be written: {path} is a folder. Choose another name")
    except DiskFull as full:
        raise DiskFull(f"{full}. Make room, or choose another place with {typed.partition('=')[0]}=") from full
    except OSError as error:
        reason = "no file can be made there" if isinstance(error, FileNotFoundError) else error.strerror or error
        raise RequestError(f"{typed} cannot be written: {_obstacle(path.parent) or reason}. "
                           "Choose a place you may write to") from error


def require_all_writable(paths: Iterable[Path], typed: str) -> None:
    """Calls `require_writable` for one path of each folder."""
    for path in {path.parent: path for path in paths}.values():
        require_writable(path, typed)


@contextmanager
def refusing_unwritable(typed: str) -> Iterator[None]:
    """Raises a RequestError where the block cannot write the file that the setting `typed` names, e.g. output=a.png."""
    try:
        yield
    except DiskFull:
        raise
    except OSError as error:
        raise RequestError(f"{typed} cannot be written: {error.strerror or error}. "
                           "Choose a place you may write to") from error


def is_taken(path: Path) -> bool:
    """Returns whether there is a file or folder at the path; False too if the name is too long to be one, which
    `require_writable` refuses."""
    return os.path.exists(path)  # noqa: PTH110  Path.exists raises then


def digest_of(settings: Mapping[str, Any], without: Collection[str]) -> str:
    """Returns six hexadecimal digits for the names of results, which depend on all settings but those named: the same
    request replaces its file, and any other does not."""
    deciding = sorted((name, value) for name, value in settings.items() if name not in without)
    return hashlib.sha256(repr(deciding).encode(errors="surrogateescape")).hexdigest()[:6]


def _try_to_write(path: Path) -> None:
    folder = path.parent
    missing = _missing_folders(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(LITTLE)
            file.flush()
        with suppress(FileNotFoundError):
            path.lstat()  # raises another error if the name is too long or not allowed
    finally:
        for parent in missing:
            with suppress(OSError):  # it was not made, or another process uses it by now
                parent.rmdir()


def _missing_folders(folder: Path) -> list[Path]:
    """Returns those of the folder and its parents that do not exist, the innermost first."""
    chain = [folder, *folder.parents]
    return chain[:next((number for number, each in enumerate(chain) if os.path.lexists(each)), 0)]


def _obstacle(folder: Path) -> str:
    """Returns in words which file is where a folder should be; an empty text if there is none."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each):
            return "" if each.is_dir() else f"{each} is a {'file' if each.exists() else 'broken link'}, not a folder"
    return ""
