"""Reads the files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html).

Both come in a Python form, of pickles, and in a binary form, of records. An image is 3,072 bytes: all reds, then all
greens and all blues, each row by row.
"""

import tarfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

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


class Part(NamedTuple):
    """The content of one file."""

    pixels: numpy.ndarray  # [N, 3072] uint8
    labels: numpy.ndarray  # [N]


def parse_pickle(content: bytes, label_key: str = "labels") -> Part:
    """Reads a pickled dictionary with `data`, uint8 [N, 3072], and `label_key`, N class numbers of at most a byte."""
    dictionary = read_pickled_dictionary(content)
    pixels = dictionary.get("data")
    if not isinstance(pixels, numpy.ndarray) or pixels.dtype != numpy.uint8 or pixels.shape[1:] != (_PIXELS,):
        raise Damage(f"its `data` is not an array of N x {_PIXELS} unsigned bytes")
    try:
        labels = numpy.array(list(dictionary.get(label_key, ())), dtype=numpy.uint8)
    except (TypeError, ValueError, OverflowError) as error:
        raise Damage(f"its `{label_key}` are not class numbers ({error})") from error
    if len(pixels) == 0 or labels.shape != pixels.shape[:1]:
        raise Damage(f"it has {len(pixels)} images and {labels.size} {label_key.replace('_', ' ')}")
    return Part(pixels, labels)


def parse_records(content: bytes, label_bytes: int = 1, label: int = 0) -> Part:
    """Reads records of class numbers, `label_bytes` of them, and the image. Number `label` of them is the class."""
    length = _PIXELS + label_bytes
    if not content or len(content) % length:
        raise Damage(f"its {len(content):,} bytes are not a whole number of records of {length:,}")
    records = numpy.frombuffer(content, numpy.uint8).reshape(-1, length)
    return Part(records[:, label_bytes:], records[:, label])


def parse_pickled_names(content: bytes, key: str = "label_names") -> tuple[str, ...]:
    """Reads the class names that a pickled dictionary has under `key`; none if it lacks them."""
    names = read_pickled_dictionary(content).get(key, ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str | bytes) for name in names):
        raise Damage(f"its `{key}` are not a list of names")
    return tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names)


def parse_lines(content: bytes) -> tuple[str, ...]:
    """Reads class names, one a line."""
    return tuple(content.decode("latin1").split())


@dataclass(frozen=True)
class Form:
    """One of the two file formats in which a set is published."""

    folder: str
    archive: str  # without .gz
    parts: Mapping[str, list[str]]  # split -> the names of its files
    names_file: str  # has the names of the classes
    parse: Callable[[bytes], Part]
    parse_names: Callable[[bytes], tuple[str, ...]]


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


class CIFAR(InMemoryImages):
    """Images of CIFAR, from either form: its files in `root` or in the form's own folder there, or the archive in
    `root`. `prepare_data` downloads the archive of the Python form if `root` has neither.

    root: the folder
    """

    remote: ClassVar[type[datasets.CIFAR10]]
    known_classes: ClassVar[tuple[str, ...]]  # where the files do not name them

    def __init__(self, root: TypedPath, **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")

    @property
    @abstractmethod
    def forms(self) -> tuple[Form, ...]:
        """The forms of the set, in the order in which they are looked for."""

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
        form, parts, class_names = place.form, {}, self.known_classes
        for name, content in place.files([*form.parts[split], form.names_file]):
            with name_in_errors(place.path / name):
                if name == form.names_file:
                    class_names = form.parse_names(content) or self.known_classes
                else:
                    parts[name] = form.parse(content)
        if missing := [name for name in form.parts[split] if name not in parts]:
            raise RequestError(f"{place.path} lacks {', '.join(missing)}: replace it with a good copy.")
        ordered = [parts[name] for name in form.parts[split]]
        labels = torch.from_numpy(numpy.concatenate([part.labels for part in ordered])).long()
        pixels = torch.from_numpy(numpy.concatenate([part.pixels for part in ordered]))
        return LabelledImages(pixels.view(-1, 3, 32, 32), *name_classes(labels, class_names))

    def _find(self, split: str) -> Place | None:
        """Returns the first place with all files of a split, folders before archives."""
        for form in self.forms:
            for folder in (self.root, self.root / form.folder):
                if all(find([folder], [name]) for name in form.parts[split]):
                    return Place(form, folder)
        archives = ((form, find([self.root], [form.archive])) for form in self.forms)
        return next((Place(form, path) for form, path in archives if path), None)

    def _incomplete_error(self, split: str) -> RequestError | None:
        """Returns the error for a folder with some of the batches, which names those that are missing."""
        for form in self.forms:
            for folder in (self.root, self.root / form.folder):
                missing = [name for name in form.parts[split] if not find([folder], [name])]
                if find([folder], [*form.parts["train"], *form.parts["test"]]):
                    return RequestError(f"{folder} has batches of data={self.name} and lacks {', '.join(missing)}: put "
                                        f"{'it' if len(missing) == 1 else 'them'} there, with or without .gz.")
        return None

    def _remote_files(self) -> list[Remote]:
        return [Remote(self.remote.filename, [self.remote.url], self.remote.tgz_md5)]
