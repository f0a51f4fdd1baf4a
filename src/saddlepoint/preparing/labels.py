"""Finds the labels of a folder's images: from the folders they lie in, or from StyleGAN's dataset.json."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from saddlepoint.config.spelling import word
from saddlepoint.data import class_folders
from saddlepoint.data.describing import counted, listed
from saddlepoint.data.labels import first_twice
from saddlepoint.data.listing import ImageFile
from saddlepoint.errors import RequestError
from saddlepoint.files.names import to_nfc
from saddlepoint.preparing.image_zip import LABELS, Label

MOST_BYTES = 1_000_000_000  # of a dataset.json; ImageNet's has 60 MB


class Labels(NamedTuple):
    """What an archive says of its images beside their pixels."""

    of_files: list[Label] | None  # None: nothing
    class_names: tuple[str, ...] = ()  # by number


def labels_of(files: Sequence[ImageFile], root: Path, labels: str) -> Labels:
    """Returns the labels of the files of a folder. Raises a RequestError if they cannot be found.

    labels: folders (each image is of the class that its folder directly below `root` is called after), dataset.json
        (in `root`) or none
    """
    if labels == "none":
        return Labels(None)
    return _from_json(files, root) if labels == LABELS else _from_folders(files, root)


def _from_folders(files: Sequence[ImageFile], root: Path) -> Labels:
    names = [file.name for file in files]
    folders = class_folders.names(names)
    loose = next((name for name in names if "/" not in name), None)
    without = "or labels=none for an archive without labels"
    if loose:
        raise RequestError(f"labels=folders needs every image in a folder of its class, and {loose} lies in "
                           f"input={root} itself: type labels=none, or sort the images into folders")
    if class_folders.are_parts(folders):
        inside = word(f"input={root / class_folders.first_part(folders)}")
        raise RequestError(f"labels=folders: the folders of input={root} ({listed(list(folders))}) are parts of a data "
                           f"set and no classes. Make an archive of each part: type {inside}, {without}")
    numbers = {name: number for number, name in enumerate(folders)}
    return Labels([numbers[name.split("/", 1)[0]] for name in names], folders)


def _from_json(files: Sequence[ImageFile], root: Path) -> Labels:
    path = root / LABELS
    pairs = _read(path)
    names = [to_nfc(name).replace("\\", "/") for name, _ in pairs]
    labels = {name: label for name, (_, label) in zip(names, pairs, strict=True)}
    if len(labels) < len(pairs):
        raise RequestError(f"labels=dataset.json: {path} has two labels of {first_twice(names)}: leave one of them "
                           "there, or type labels=folders or labels=none")
    if missing := [file.name for file in files if file.name not in labels]:
        raise RequestError(f"labels=dataset.json: {path} has no label of {counted(len(missing), 'image')} of "
                           f"{len(files):,}: {listed(missing, 3)}. Every image needs one")
    return Labels([labels[file.name] for file in files])


def _read(path: Path) -> list[list[Any]]:
    """Returns the pairs of name and label, of which all labels are of one kind."""
    if not path.is_file():
        raise RequestError(f"labels=dataset.json: there is no {path}. Type labels=folders or labels=none")
    if path.stat().st_size > MOST_BYTES:
        raise RequestError(f"{path} has more than {MOST_BYTES:,} bytes, which no file of labels needs")
    try:
        content = json.loads(path.read_bytes())
        pairs = content["labels"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(f"{path} is not a file of labels ({error}): it must be "
                           '{"labels": [["00000/img00000000.png", 3], ...]}') from error
    if pairs is None:
        raise RequestError(f'{path} says that there are no labels ("labels": null): type labels=none')
    if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
        raise RequestError(f"{path}: its labels must be pairs of a file's name and a class (a whole number of at least "
                           '0) or a list of numbers, e.g. ["00000/img00000000.png", 3]')
    kinds = {len(label) if isinstance(label, list) else "class" for _, label in pairs}
    if len(kinds) > 1:
        raise RequestError(f"{path}: its labels must be all classes, or all lists of numbers of one length")
    return pairs


def _is_pair(pair: object) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
        return False
    label = pair[1]
    if isinstance(label, list):
        return bool(label) and all(_is_number(each) and math.isfinite(each) for each in label)
    return isinstance(label, int) and not isinstance(label, bool) and label >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
