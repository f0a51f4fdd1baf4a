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

from saddlepoint.errors import RequestError


class ImageFile(NamedTuple):
    name: str  # relative to the root
    path: Path


def image_files(root: Path, extensions: Iterable[str]) -> list[ImageFile]:
    """By name, from all folders below `root`. Symbolic links are followed; what begins with a dot is left out, as
    macOS and notebooks put copies there that are not images or not wanted."""
    endings = tuple(f".{extension.lower().removeprefix('.')}" for extension in extensions)
    found, seen = [], set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        paths = (Path(folder, name) for name in names if name.lower().endswith(endings) and not name.startswith("."))
        found += (ImageFile(unicodedata.normalize("NFC", path.relative_to(root).as_posix()), path) for path in paths)
    return sorted(found)


def split_in_two(files: list[ImageFile], train_fraction: float, split_seed: int) -> tuple[list, list]:
    """The files with the lowest digests of (seed, name) are for training, exactly `train_fraction` of them, rounded.
    A file that is added or removed moves at most one other from part to part."""
    count = max(1, round(train_fraction * len(files)))
    ranked = by_digest(files, f"split/{split_seed}")
    return sorted(ranked[:count]), sorted(ranked[count:])


def by_digest(files: list[ImageFile], key: str) -> list[ImageFile]:
    """In an order that has nothing to do with the names, but depends on nothing else."""
    def digest(file: ImageFile) -> bytes:
        return hashlib.sha256(f"{key}/{file.name}".encode(errors="surrogateescape")).digest()

    return sorted(files, key=digest)


def class_of_each(files: list[ImageFile], root: Path, num_classes: int) -> tuple[list[int], tuple[str, ...]]:
    """The folder just below `root` is an image's class; classes are numbered by name. -> ([N], names)"""
    if loose := next((file.name for file in files if "/" not in file.name), None):
        raise RequestError(f"data.num_classes={num_classes} needs every image in a folder of its class, but {loose} "
                           f"lies in data.root={root} itself: type data.num_classes=0 to train without classes")
    folders = [file.name.split("/")[0] for file in files]
    class_names = tuple(sorted(set(folders)))
    if len(class_names) != num_classes:
        raise RequestError(f"data.num_classes={num_classes}, but data.root={root} has {len(class_names)} folders with "
                           f"images: type data.num_classes={len(class_names)}, or 0 to train without classes")
    numbers = {name: number for number, name in enumerate(class_names)}
    return [numbers[folder] for folder in folders], class_names
