"""Checkpoint files: plain containers and tensors, written whole or not at all, verified before they are read.

A file is torch's own zip format with the SHA-256 of everything before it as the zip comment, so one rename publishes
data and digest together and `torch.load(path, weights_only=True)` still reads it.
"""

import hashlib
import os
import pickle
import re
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

from saddlepoint.config import former, spelling
from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files import disk_space
from saddlepoint.files.atomic import write_atomically

FORMAT = 2  # of what a run saves; files of other formats are drawn from, not gone on with
_DIGEST_LABEL = b"sha256:"
_COMMENT_LENGTH = len(_DIGEST_LABEL) + 64
# What torch's reader raises at content it does not know, besides its own errors
_CANNOT_LOAD = (pickle.UnpicklingError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, EOFError,
                OverflowError, MemoryError, AssertionError, struct.error)
_PLACE = re.compile(r"last(?:-([0-9]+))?\.ckpt")


def save(path: Path, content: dict, before: Callable[[], object] = lambda: None) -> None:
    """Write `content` (containers, numbers, strings, tensors) to `path` atomically, with its digest. `before` is called
    when the whole file is safely on disk and only its name is missing. Without room on the disk all files stay as they
    are, and a DiskFull says what is needed."""
    needed = _bytes_of(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk_space.refuse_too_little(path, needed)
        write_atomically(path, lambda temporary: _write_with_digest(temporary, content), before=before)
    except DiskFull as full:
        raise DiskFull(f"{full}. It takes {disk_space.megabytes(needed)}. {_what_stays(path.parent)}") from full


def _bytes_of(content: Any) -> int:
    """Of all tensors, those that share memory counted once: nearly the size of the file"""
    storages = [tensor.untyped_storage() for tensor in _tensors(content)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, dict | list | tuple):
        for inner in content.values() if isinstance(content, dict) else content:
            yield from _tensors(inner)


def _what_stays(folder: Path) -> str:
    try:
        images_seen = newest_good(folder)["images_seen"]
    except RequestError:
        return "There is no checkpoint before it: make room and start again"
    again = spelling.command("train", f"resume={folder.parent}")
    return f"The checkpoint before it, of {images_seen:,} images, is whole: make room and go on with {again}"


def keep_newest(folder: Path, count: int) -> None:
    """last.ckpt becomes last-1.ckpt, that last-2.ckpt and so on, `count` files with the one about to be written. A
    crash in between leaves a gap, never a lost file. A spoilt last.ckpt never takes the place of a whole one."""
    last = folder / place_name(0)
    if last.is_dir():
        last.rename(folder / f"not-a-checkpoint-{os.urandom(4).hex()}")  # somebody's: out of the way, not deleted
    spoilt = last.is_file() and not _digest_holds(last)
    for place in range(count - 1, 0, -1):
        older, newer = folder / place_name(place), folder / place_name(place - 1)
        if newer.exists() and not (spoilt and newer == last):
            newer.replace(older)


def place_name(place: int) -> str:
    """0 is the newest"""
    return f"last-{place}.ckpt" if place else "last.ckpt"


def newest_good(folder: Path) -> dict:
    """The content of last.ckpt, or of the newest file before it that is whole, naming those that are not."""
    return _newest(folder)[1]


def newest_good_path(folder: Path) -> Path:
    last = folder / place_name(0)
    return last if last.is_file() and _digest_holds(last) else _newest(folder)[0]


def _newest(folder: Path) -> tuple[Path, dict]:
    named = [(_PLACE.fullmatch(path.name), path) for path in folder.glob("last*.ckpt")]
    places = sorted((int(match[1] or 0), path) for match, path in named if match)
    if not places:
        raise RequestError(f"{folder} holds no checkpoint (last.ckpt): name a run that wrote one")
    reasons = []
    for place, path in places:
        try:
            content = load(path)
        except RequestError as error:
            reasons.append(str(error))
            continue
        if reasons or place:
            missing = [] if places[0][0] == 0 else [f"{folder / place_name(0)} is missing"]
            print(f"warning: {'; '.join(missing + reasons)}. Using {path}, of {content.get('images_seen', 0):,} images",
                  file=sys.stderr)
        return path, content
    raise RequestError("; ".join(reasons) + ". No checkpoint of this run is whole")


def load(path: Path) -> dict:
    """Read a file that `save` wrote, tensors on the CPU, with today's names of classes and settings. A missing, damaged
    or foreign file is a RequestError."""
    try:
        if path.is_dir():
            raise RequestError(f"{path} is a directory, not a checkpoint")
        if not path.is_file():
            raise RequestError(f"{path} is not there: name a run directory or one of its checkpoints")
        whole = _digest_holds(path)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from error
    if not whole:
        raise RequestError(f"{path} is damaged or was not written by saddlepoint: its SHA-256 digest does not match "
                           "its content, so it is not read")
    try:
        return former.checkpoint_in_todays_words(torch.load(path, map_location="cpu", weights_only=True))
    except _CANNOT_LOAD as error:
        raise RequestError(f"{path} is refused: it holds more than tensors and plain containers ({error})") from error


class _Remembering:
    """A file for torch.save to write to that keeps its first error for later: torch's writer would hide what happened
    behind a RuntimeError about positions."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.error: OSError | None = None

    def write(self, block: memoryview) -> int:
        if self.error is None:
            try:
                self.file.write(block)
            except OSError as error:
                self.error = error
        return len(block)

    def flush(self) -> None:
        """When it is closed"""


def _write_with_digest(path: Path, content: dict) -> None:
    with path.open("wb+") as file:
        through = _Remembering(file)
        torch.save(content, through)
        if through.error:
            raise through.error
        file.seek(-2, os.SEEK_END)  # a zip ends in the length of its comment, and torch writes none
        file.write(struct.pack("<H", _COMMENT_LENGTH))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, os.SEEK_END)
        file.write(_DIGEST_LABEL + digest.encode())


def is_signed(path: Path) -> bool:
    """Whether the file ends as `save` ends its files, damaged elsewhere or not"""
    with path.open("rb") as file:
        file.seek(-min(_COMMENT_LENGTH, path.stat().st_size), os.SEEK_END)
        return file.read().startswith(_DIGEST_LABEL)


def _digest_holds(path: Path) -> bool:
    size = path.stat().st_size
    if size <= _COMMENT_LENGTH:
        return False
    with path.open("rb") as file:
        hashed, left = hashlib.sha256(), size - _COMMENT_LENGTH
        while left:
            block = file.read(min(left, 1 << 20))
            if not block:
                return False
            hashed.update(block)
            left -= len(block)
        return file.read() == _DIGEST_LABEL + hashed.hexdigest().encode()
