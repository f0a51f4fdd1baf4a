"""CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html): 50,000 training and 10,000 test images of
3 x 32 x 32 in ten classes. An image is 3,072 bytes: all reds, then all greens and all blues, each row by row.
"""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from torchvision import datasets

from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.memory import InMemoryImages, LabelledImages, name_classes
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.opening import Damage, find, name_in_errors, unzipped
from saddlepoint.data.sources.pickles import read_pickled_dictionary
from saddlepoint.errors import RequestError

_PIXELS = 3 * 32 * 32
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Part(NamedTuple):
    """The content of one file."""

    pixels: numpy.ndarray  # [N, 3072] uint8
    labels: numpy.ndarray  # [N]


def parse_pickle(content: bytes) -> Part:
    """Reads a pickled dictionary with `data`, uint8 [N, 3072], and `labels`, N class numbers of at most a byte."""
    dictionary = read_pickled_dictionary(content)
    pixels = dictionary.get("data")
    if not isinstance(pixels, numpy.ndarray) or pixels.dtype != numpy.uint8 or pixels.shape[1:] != (_PIXELS,):
        raise Damage(f"its `data` is not an array of N x {_PIXELS} unsigned bytes")
    try:
        labels = numpy.array(list(dictionary.get("labels", ())), dtype=numpy.uint8)
    except (TypeError, ValueError, OverflowError) as error:
        raise Damage(f"its `labels` are not class numbers ({error})") from error
    if len(pixels) == 0 or labels.shape != pixels.shape[:1]:
        raise Damage(f"it has {len(pixels)} images and {labels.size} labels")
    return Part(pixels, labels)


def parse_records(content: bytes) -> Part:
    """Reads records of 3,073 bytes: the class, then the image."""
    if not content or len(content) % (_PIXELS + 1):
        raise Damage(f"its {len(content):,} bytes are not a whole number of records of {_PIXELS + 1:,}")
    records = numpy.frombuffer(content, numpy.uint8).reshape(-1, _PIXELS + 1)
    return Part(records[:, 1:], records[:, 0])


def parse_pickled_names(content: bytes) -> tuple[str, ...]:
    """Reads the class names `label_names` of a pickled dictionary; none if it lacks them."""
    names = read_pickled_dictionary(content).get("label_names", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str | bytes) for name in names):
        raise Damage("its `label_names` are not a list of names")
    return tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names)


def parse_lines(content: bytes) -> tuple[str, ...]:
    """Reads class names, one a line."""
    return tuple(content.decode("latin1").split())


@dataclass(frozen=True)
class Form:
    """One of the two file formats in which the set is published."""

    folder: str
    archive: str  # without .gz
    ending: str  # of the names of batches
    names_file: str  # has the names of the classes
    parse: Callable[[bytes], Part]
    parse_names: Callable[[bytes], tuple[str, ...]]

    def parts(self, split: str) -> list[str]:
        """Returns the names of the files of a split."""
        names = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
        return [name + self.ending for name in names]


PYTHON = Form("cifar-10-batches-py", "cifar-10-python.tar", "", "batches.meta", parse_pickle, parse_pickled_names)
BINARY = Form("cifar-10-batches-bin", "cifar-10-binary.tar", ".bin", "batches.meta.txt", parse_records, parse_lines)


class Place(NamedTuple):
    """A folder or an archive with files of one form."""

    form: Form
    path: Path

    def files(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yields the name and content of those of `names` that exist, not always in this order."""
        return self._folder_files(names) if self.path.is_dir() else self._archive_files(names)

    def _folder_files(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            if file := find([self.path], [name]):
                with unzipped(file) as stream:
                    yield name, stream.read()

    def _archive_files(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        with name_in_errors(self.path), tarfile.open(self.path) as archive:
            for member in archive:
                name = Path(member.name).name
                if name in names and member.isfile():
                    yield name, archive.extractfile(member).read()


class CIFAR10(InMemoryImages):
    """CIFAR-10, from either form: its files in `root` or in the form's own folder there, or the archive in `root`.

    `prepare_data` downloads the archive of the Python form if `root` has neither.
    """

    def __init__(self, root: TypedPath, **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")

    def prepare_data(self) -> None:
        if self._find("train"):
            return
        try:
            download(self._remote_files(), self.root, self.name)
        except RequestError as error:
            raise self._incomplete_error("train") or error from error

    def read(self, split: str) -> LabelledImages:
        place = self._find(split)
        if place is None:
            raise self._incomplete_error(split) or missing_error(self._remote_files(), self.root, self.name,
                                                                 "neither batches nor an archive of them")
        form, parts, class_names = place.form, {}, _CLASSES
        for name, content in place.files([*form.parts(split), form.names_file]):
            with name_in_errors(place.path / name):
                if name == form.names_file:
                    class_names = form.parse_names(content) or _CLASSES
                else:
                    parts[name] = form.parse(content)
        if missing := [name for name in form.parts(split) if name not in parts]:
            raise RequestError(f"{place.path} lacks {', '.join(missing)}: replace it with a good copy.")
        ordered = [parts[name] for name in form.parts(split)]
        labels = torch.from_numpy(numpy.concatenate([part.labels for part in ordered])).long()
        pixels = torch.from_numpy(numpy.concatenate([part.pixels for part in ordered]))
        return LabelledImages(pixels.view(-1, 3, 32, 32), *name_classes(labels, class_names))

    def _find(self, split: str) -> Place | None:
        """Returns the first place with all files of a split, folders before archives."""
        for form in (PYTHON, BINARY):
            for folder in (self.root, self.root / form.folder):
                if all(find([folder], [name]) for name in form.parts(split)):
                    return Place(form, folder)
        archives = ((form, find([self.root], [form.archive])) for form in (PYTHON, BINARY))
        return next((Place(form, path) for form, path in archives if path), None)

    def _incomplete_error(self, split: str) -> RequestError | None:
        """Returns the error for a folder with some of the batches, which names those that are missing."""
        for form in (PYTHON, BINARY):
            for folder in (self.root, self.root / form.folder):
                missing = [name for name in form.parts(split) if not find([folder], [name])]
                if find([folder], [*form.parts("train"), *form.parts("test")]):
                    return RequestError(f"{folder} has batches of data={self.name} and lacks {', '.join(missing)}: put "
                                        f"{'it' if len(missing) == 1 else 'them'} there, with or without .gz.")
        return None

    def _remote_files(self) -> list[Remote]:
        return [Remote(datasets.CIFAR10.filename, [datasets.CIFAR10.url], datasets.CIFAR10.tgz_md5)]
