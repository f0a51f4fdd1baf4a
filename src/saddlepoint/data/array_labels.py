"""Reads class numbers that are arrays beside those of images, in .npy and .npz files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import labels
from saddlepoint.data.array_files import MOST_LABELS, StoredArray, open_arrays
from saddlepoint.errors import RequestError

LABELS = "arr_1"  # the name that numpy.savez gives, and ADM's evaluator expects


def label_file(label_array: str | None) -> Path | None:
    """Returns the .npy file that data.label_array names; None if it names arrays in .npz files."""
    return expanded(label_array, "data.label_array") if (label_array or "").endswith(".npy") else None


def read_classes(paths: Sequence[Path], label_array: str | None, num_classes: int, images: str, count: int,
                 place: str) -> labels.Classes:
    """Returns the class of each image in these files, and the names of the classes.

    label_array: of the settings
    images, count, place: how many there are of what, and where, e.g. images, 50 and data.root=FILE.npz
    """
    file = label_file(label_array)
    found = [_class_numbers(file, open_arrays(file))] if file else [
        _labels_in(path, label_array, num_classes) for path in paths]
    if (lengths := sum(map(len, found))) != count:
        raise RequestError(f"{place} has {count:,} {images} and {lengths:,} labels: get or make the files again, or "
                           f"{labels.WITHOUT}")
    return labels.classes_of(numpy.concatenate(found), num_classes, str(file or place))


def _labels_in(path: Path, name: str | None, num_classes: int) -> numpy.ndarray:
    """Returns the class numbers in the array `name` of an .npz file; None: arr_1. Raises a RequestError if there is
    none."""
    arrays, name = open_arrays(path), name or LABELS
    if name not in arrays:
        there = ", ".join(filter(None, arrays)) or "one array without a name"
        raise RequestError(f"data.num_classes={num_classes}, but {path} has no labels called {name} (there is "
                           f"{there}): type data.label_array=NAME, or data.label_array=FILE.npy, or "
                           f"{labels.NO_CLASSES}")
    return _class_numbers(path, {name: arrays[name]})


def _class_numbers(path: Path, arrays: Mapping[str, StoredArray]) -> numpy.ndarray:
    """Returns the only array of labels. Raises a RequestError if it is too large to be labels."""
    [array] = arrays.values()
    if array.kind.kind not in "iuf" or len(array.shape) not in (1, 2) or array.num_bytes > MOST_LABELS:
        raise RequestError(f"{path}: the labels have the shape {list(array.shape)} and are of kind {array.kind}, and "
                           f"must be a class number for each image: {labels.WITHOUT}")
    return array.unpacked()
