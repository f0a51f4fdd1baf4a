"""Which image files a folder has, and which part of them is for training: functions of the files' names alone.

Names are relative to the root, with forward slashes and in Unicode's composed form (NFC), so that every operating
system gives the same ones.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from saddlepoint.data import class_folders
from saddlepoint.errors import RequestError


class ImageFile(NamedTuple):
    name: str  # relative to the root
    path: Path


class Listing(NamedTuple):
    """All that lies below a folder; names as those of images."""

    files: list[ImageFile]  # by name
    others: list[str]  # files with another ending
    hidden: list[str]  # files and folders that begin with a dot
    closed: list[str]  # folders that cannot be looked into


def image_files(root: Path, extensions: Iterable[str]) -> list[ImageFile]:
    """By name, from all folders below `root`."""
    return listing(root, extensions).files


def listing(root: Path, extensions: Iterable[str]) -> Listing:
    """Symbolic links are followed; what begins with a dot is left out, as macOS and notebooks put copies there that
    are not images or not wanted."""
    endings = tuple(f".{extension.lower().removeprefix('.')}" for extension in extensions)
    found, seen, waiting = Listing([], [], [], []), set(), [(str(root), "")]
    while waiting:
        folder, before = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116  of 100,000 files, Path's ways take as long as reading the headers
            entries = [] if (status.st_dev, status.st_ino) in seen else [*os.scandir(folder)]  # a link may lead back up
        except OSError:
            found.closed.append(before.rstrip("/") or ".")
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            name = before + (entry.name if entry.name.isascii() else unicodedata.normalize("NFC", entry.name))
            if entry.name.startswith("."):
                found.hidden.append(name)
            elif entry.is_dir():
                waiting.append((entry.path, f"{name}/"))
            elif not entry.name.lower().endswith(endings):
                found.others.append(name)
            else:  # a broken link or a pipe as well: a file that cannot be read, which is said where it is opened
                found.files.append(ImageFile(name, Path(entry.path)))
    for each in found:
        each.sort()
    return found


def split_in_two(files: list[ImageFile], train_fraction: float, split_seed: int) -> tuple[list, list]:
    """The files with the lowest digests of (seed, name) are for training, exactly `train_fraction` of them, rounded.
    A file that is added or removed moves at most one other from part to part."""
    count = max(1, round(train_fraction * len(files)))
    if count == len(files):
        return sorted(files), []
    ranked = by_digest(files, f"split/{split_seed}")
    return sorted(ranked[:count]), sorted(ranked[count:])


def by_digest(files: list[ImageFile], key: str) -> list[ImageFile]:
    """In an order that has nothing to do with the names, but depends on nothing else."""
    def digest(file: ImageFile) -> bytes:
        return hashlib.sha256(f"{key}/{file.name}".encode(errors="surrogateescape")).digest()

    return sorted(files, key=digest)


def class_of_each(files: list[ImageFile], root: Path, num_classes: int) -> tuple[list[int], tuple[str, ...]]:
    """The folder just below `root` is an image's class; classes are numbered by name. -> ([N], names)"""
    names = [file.name for file in files]
    if problem := class_folders.problem(names, root, num_classes):
        raise RequestError(problem)
    class_names = class_folders.names(names)
    numbers = {name: number for number, name in enumerate(class_names)}
    return [numbers[name.split("/", 1)[0]] for name in names], class_names
