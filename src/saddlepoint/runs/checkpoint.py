"""Writes checkpoints whole or not at all, and verifies them when they are read. They hold containers and tensors.

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

FORMAT = 2  # of a run's checkpoint; from other formats images can be drawn, and training cannot be continued
_DIGEST_LABEL = b"sha256:"
_COMMENT_LENGTH = len(_DIGEST_LABEL) + 64
# what torch's reader raises at content that it does not know, besides its own errors
_CANNOT_LOAD = (pickle.UnpicklingError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, EOFError,
                OverflowError, MemoryError, AssertionError, struct.error)
_PLACE = re.compile(r"last(?:-([0-9]+))?\.ckpt")


def save(path: Path, content: dict, before: Callable[[], object] = lambda: None) -> None:
    """Writes `content` (containers, numbers, strings, tensors) to `path` atomically, with its digest.

    `before` is called when the whole file is on the disk under a temporary name, just before it is renamed. If the disk
    is full, all files stay as they are, and a DiskFull says how much room is needed.
    """
    needed = _bytes_of(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk_space.require_free_space(path, needed)
        write_atomically(path, lambda temporary: _write_with_digest(temporary, content), before=before)
    except DiskFull as full:
        raise DiskFull(f"{full}. It takes {disk_space.in_megabytes(needed)}. "
                       f"{_remaining_checkpoint(path.parent)}") from full


def _bytes_of(content: Any) -> int:
    """Returns the bytes of all tensors, shared memory counted once. That is nearly the size of the file."""
    storages = [tensor.untyped_storage() for tensor in _tensors(content)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, dict | list | tuple):
        for inner in content.values() if isinstance(content, dict) else content:
            yield from _tensors(inner)


def _remaining_checkpoint(folder: Path) -> str:
    """Returns a sentence that names the newest undamaged checkpoint and the line that continues from it."""
    try:
        images_seen = newest_good(folder)["images_seen"]
    except RequestError:
        return "There is no checkpoint before it: make room and start again"
    line = spelling.command("train", f"resume={folder.parent}")
    return f"The checkpoint before it, of {images_seen:,} images, is whole: make room and go on with {line}"


def keep_newest(folder: Path, count: int) -> None:
    """Renames last.ckpt to last-1.ckpt, that to last-2.ckpt and so on, to make room for a new last.ckpt.

    `count` files remain, the new one included. A crash between two renames leaves a gap and loses no file. A damaged
    last.ckpt never replaces an undamaged file.
    """
    last = folder / place_name(0)
    if last.is_dir():
        last.rename(folder / f"not-a-checkpoint-{os.urandom(4).hex()}")  # not ours to delete
    is_damaged = last.is_file() and not _digest_holds(last)
    for place in range(count - 1, 0, -1):
        older, newer = folder / place_name(place), folder / place_name(place - 1)
        if newer.exists() and not (is_damaged and newer == last):
            newer.replace(older)


def place_name(place: int) -> str:
    """Returns the name of the newest checkpoint (place 0), the one before it (place 1) and so on."""
    return f"last-{place}.ckpt" if place else "last.ckpt"


def newest_good(folder: Path) -> dict:
    """Returns the content of the newest undamaged checkpoint in a folder, and warns if that is not last.ckpt.

    Raises a RequestError if there is none.
    """
    return _newest(folder)[1]


def newest_good_path(folder: Path) -> Path:
    """Returns the path of the newest undamaged checkpoint in a folder, and warns if that is not last.ckpt."""
    last = folder / place_name(0)
    return last if last.is_file() and _digest_holds(last) else _newest(folder)[0]


def _newest(folder: Path) -> tuple[Path, dict]:
    matches = [(_PLACE.fullmatch(path.name), path) for path in folder.glob("last*.ckpt")]
    places = sorted((int(match[1] or 0), path) for match, path in matches if match)
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
    """Returns the content of a file that `save` wrote, tensors on the CPU, with today's names of classes and settings.

    Raises a RequestError if the file is missing, damaged or not a checkpoint.
    """
    try:
        if path.is_dir():
            raise RequestError(f"{path} is a directory, not a checkpoint")
        if not path.is_file():
            raise RequestError(f"{path} is not there: name a run directory or one of its checkpoints")
        is_whole = _digest_holds(path)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from error
    if not is_whole:
        raise RequestError(f"{path} is damaged or was not written by saddlepoint: its SHA-256 digest does not match "
                           "its content, so it is not read")
    try:
        return former.checkpoint_in_todays_words(torch.load(path, map_location="cpu", weights_only=True))
    except _CANNOT_LOAD as error:
        raise RequestError(f"{path} is refused: it holds more than tensors and plain containers ({error})") from error


class _ErrorKeepingFile:
    """A file for torch.save that keeps its first error instead of raising it, since torch's writer would turn it into a
    RuntimeError about positions."""

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

    def flush(self) -> None: ...  # closing the file does


def _write_with_digest(path: Path, content: dict) -> None:
    with path.open("wb+") as file:
        keeping_file = _ErrorKeepingFile(file)
        torch.save(content, keeping_file)
        if keeping_file.error:
            raise keeping_file.error
        file.seek(-2, os.SEEK_END)  # a zip ends in the length of its comment, and torch writes none
        file.write(struct.pack("<H", _COMMENT_LENGTH))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, os.SEEK_END)
        file.write(_DIGEST_LABEL + digest.encode())


def is_signed(path: Path) -> bool:
    """Returns whether the file ends with a digest as `save` writes it. The digest itself is not checked."""
    with path.open("rb") as file:
        file.seek(-min(_COMMENT_LENGTH, path.stat().st_size), os.SEEK_END)
        return file.read().startswith(_DIGEST_LABEL)


def _digest_holds(path: Path) -> bool:
    size = path.stat().st_size
    if size <= _COMMENT_LENGTH:
        return False
    with path.open("rb") as file:
        digest, remaining = hashlib.sha256(), size - _COMMENT_LENGTH
        while remaining:
            block = file.read(min(remaining, 1 << 20))
            if not block:
                return False
            digest.update(block)
            remaining -= len(block)
        return file.read() == _DIGEST_LABEL + digest.hexdigest().encode()
