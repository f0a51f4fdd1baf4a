"""Reads the labels that come beside images: the dataset.json of StyleGAN's archives, and arrays of class numbers.

N images in K classes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy

from saddlepoint.data import class_folders, describing
from saddlepoint.errors import RequestError

MOST_BYTES = 1 << 28  # of a dataset.json: ten million files with a class each
LARGEST = 2**31 - 1  # number of a class
NO_CLASSES = "data.num_classes=0 to train without classes"
WITHOUT = f"type {NO_CLASSES}"
Classes = tuple[list[int], tuple[str, ...]]  # the class of each image, and the names of the classes


def read_labels(content: bytes, where: str) -> dict[str, Any] | None:
    """Returns file name -> label of a dataset.json, {"labels": [[name, label], ...]}; None if its labels are null.

    `where`: the file, for messages. Raises a RequestError if it is no such file.
    """
    try:
        labels = json.loads(content)["labels"]
        pairs = None if labels is None else dict(labels)  # StyleGAN makes a dict of it too
    except KeyError:
        raise RequestError(f'{where} has no "labels": it must be {{"labels": [[FILE, CLASS], ...]}} or {{"labels": '
                           f'null}}. Mend it, or {WITHOUT}') from None
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(f'{where} is not {{"labels": [[FILE, CLASS], ...]}} ({error}): mend it, or '
                           f"{WITHOUT}") from error
    if pairs is not None and len(pairs) < len(labels):
        twice = first_twice(name for name, _ in labels)
        raise RequestError(f"{where} has two labels of {twice}: mend it, or {WITHOUT}")
    return pairs


def labels_of(names: Sequence[str], labels: Mapping[str, Any], present: Iterable[str], where: str) -> list[Any]:
    """Returns the label of each file. Raises a RequestError if a file has none, or a label no file.

    names: of the images; present: of all files that there are
    """
    if missing := [name for name in names if name not in labels]:
        raise RequestError(f"{where} has no label for {len(missing):,} of the {len(names):,} images, e.g. "
                           f"{missing[0]}: add them, or {WITHOUT}")
    if extra := sorted(labels.keys() - {*present}):
        raise RequestError(f"{where} has labels for {describing.counted(len(extra), 'file')} that "
                           f"{'is' if len(extra) == 1 else 'are'} not there, e.g. {extra[0]}: the images are not those "
                           f"that it was made for. Get them again, or {WITHOUT}")
    return [labels[name] for name in names]


def classes_of(labels: Sequence[Any] | numpy.ndarray, num_classes: int, where: str) -> Classes:
    """Returns the class of each image, from 0, and the names of the classes, their numbers.

    labels: N class numbers, of whichever type, or N vectors [K] with a one at the place of the class. Raises a
        RequestError for others, and if there are not `num_classes` of them
    """
    try:
        array = numpy.asarray(labels)
    except (ValueError, OverflowError):  # vectors of several lengths
        array = numpy.empty(0, object)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
        raise RequestError(f"the labels of {where} must be a number for each image, or a vector of one length for "
                           f"each, and they are not: mend them, or {WITHOUT}")
    if array.ndim == 2 and array.shape[1] != 1:
        return _of_vectors(array, num_classes, where)
    numbers = array.reshape(-1)
    if numbers.dtype.kind == "f":
        numbers = numbers.astype(numpy.float64)  # half precision has no LARGEST
    possible = (numbers >= 0) & (numbers <= LARGEST) & (numbers == numpy.floor(numbers))
    if not possible.all():
        raise RequestError(f"the labels of {where} must be whole numbers from 0 to {LARGEST}, and "
                           f"{numbers[~possible][0]} is among them: mend them, or {WITHOUT}")
    if (count := int(numbers.max()) + 1) > num_classes:
        raise RequestError(f"data.num_classes={num_classes}, but the labels of {where} are the numbers of {count} "
                           f"classes: type data.num_classes={count}, or 0 to train without classes")
    return numbers.astype(numpy.int64).tolist(), tuple(map(str, range(num_classes)))


def _of_vectors(vectors: numpy.ndarray, num_classes: int, where: str) -> Classes:
    one_each = ((vectors == 0) | (vectors == 1)).all(1) & (vectors.sum(1) == 1)
    if not one_each.all():
        example = vectors[~one_each][0].tolist()
        raise RequestError(f"the labels of {where} are vectors that name no single class, e.g. "
                           f"{describing.listed([f'{each:g}' for each in example])}, and a class is what networks here "
                           f"are told: {WITHOUT}")
    if (count := vectors.shape[1]) != num_classes:
        raise RequestError(f"data.num_classes={num_classes}, but the labels of {where} are vectors of {count} classes: "
                           f"type data.num_classes={count}, or 0 to train without classes")
    return vectors.argmax(1).tolist(), tuple(map(str, range(num_classes)))


def class_names(record: bytes, num_classes: int) -> tuple[str, ...] | None:
    """Returns what saddlepoint.json calls the classes of an archive; None if it does not name so many."""
    try:
        names = json.loads(record).get("class_names")
    except (ValueError, AttributeError, RecursionError):
        return None
    named = isinstance(names, list) and len(names) == num_classes and all(isinstance(name, str) for name in names)
    return tuple(names) if named and len({*names}) == num_classes else None


def classes_of_folders(names: Sequence[str], num_classes: int, where: str, why: str) -> Classes:
    """Returns the folder of each image as its class, and the folders' names, where there are no labels.

    why: no labels, as a clause. Raises a RequestError if there are not `num_classes` folders, each image in one
    """
    folders, loose = class_folders.names(names), any("/" not in name for name in names)
    if loose or len(folders) != num_classes:
        each = "" if loose or len(folders) < 2 else f"data.num_classes={len(folders)} for a class in each folder, or "
        lie = "and its images lie in no folders" if loose else (
            f"and its images lie in {describing.counted(len(folders), 'folder')}")
        raise RequestError(f"data.num_classes={num_classes}, but {why}, {lie}: type {each}{NO_CLASSES}")
    numbers = {name: number for number, name in enumerate(folders)}
    return [numbers[name.split("/", 1)[0]] for name in names], folders


def first_twice(names: Iterable[str]) -> str:
    """Returns the first name that is there a second time."""
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))
