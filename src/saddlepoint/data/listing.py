"""Lists the image files of a folder and divides them into parts and classes by their names alone.

Names are relative to the root, with forward slashes and in Unicode's composed form (NFC), so that they are the same on
every operating system.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from saddlepoint.data import class_folders
from saddlepoint.errors import RequestError
from saddlepoint.image_files.packed import Place


class ImageFile(NamedTuple):
    """A file whose ending is that of an image; whether it can be read shows later."""

    name: str  # relative to the root, with forward slashes
    path: Place


class Listing(NamedTuple):
    """All that is below a folder, sorted by name; names are relative to the root."""

    files: list[ImageFile]
    others: list[str]  # files with another ending
    hidden: list[str]  # files and folders that begin with a dot
    closed: list[str]  # folders that cannot be looked into


def image_files(root: Path, extensions: Iterable[str]) -> list[ImageFile]:
    """Returns the image files in `root` and all folders below it, sorted by name."""
    return listing(root, extensions).files


def listing(root: Path, extensions: Iterable[str]) -> Listing:
    """Lists a folder and all folders below it, following symbolic links.

    Files and folders that begin with a dot count as hidden: macOS and notebooks put files there that are no images, or
    copies of some.
    """
    endings = tuple(f".{extension.lower().removeprefix('.')}" for extension in extensions)
    content, visited, waiting = Listing([], [], [], []), set(), [(str(root), "")]  # links may lead back up
    while waiting:
        folder, prefix = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116  for 100,000 files, Path takes as long as reading the headers does
            entries = [] if (status.st_dev, status.st_ino) in visited else [*os.scandir(folder)]
        except OSError:
            content.closed.append(prefix.rstrip("/") or ".")
            continue
        visited.add((status.st_dev, status.st_ino))
        for entry in entries:
            name = prefix + (entry.name if entry.name.isascii() else unicodedata.normalize("NFC", entry.name))
            if entry.name.startswith("."):
                content.hidden.append(name)
            elif entry.is_dir():
                waiting.append((entry.path, f"{name}/"))
            elif not entry.name.lower().endswith(endings):
                content.others.append(name)
            else:  # broken links and pipes too: whoever opens them reports that they cannot be read
                content.files.append(ImageFile(name, Path(entry.path)))
    for names in content:
        names.sort()
    return content


def split_in_two(files: list[ImageFile], train_fraction: float, split_seed: int) -> tuple[list, list]:
    """Returns the training files, which are `train_fraction` of all, rounded, and at least one, and the rest.

    Training gets the files with the lowest digests of (split_seed, name). So adding or removing a file moves at most
    one other file from one part to the other.
    """
    count = max(1, round(train_fraction * len(files)))
    if count == len(files):
        return sorted(files), []
    ranked = by_digest(files, f"split/{split_seed}")
    return sorted(ranked[:count]), sorted(ranked[count:])


def by_digest(files: list[ImageFile], key: str) -> list[ImageFile]:
    """Sorts files by a digest of `key` and their names: as good as random, and the same wherever the files are."""
    def digest(file: ImageFile) -> bytes:
        return hashlib.sha256(f"{key}/{file.name}".encode(errors="surrogateescape")).digest()

    return sorted(files, key=digest)


def class_of_each(files: list[ImageFile], root: Path, num_classes: int) -> tuple[list[int], tuple[str, ...]]:
    """Returns the class number of each file, and the names of the classes.

    An image's class is the folder directly below `root` that it is in; classes are numbered in the order of their
    names. Raises a RequestError if there are not `num_classes` of them.
    """
    names = [file.name for file in files]
    if problem := class_folders.problem(names, root, num_classes):
        raise RequestError(problem)
    class_names = class_folders.names(names)
    numbers = {name: number for number, name in enumerate(class_names)}
    return [numbers[name.split("/", 1)[0]] for name in names], class_names
