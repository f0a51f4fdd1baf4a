"""The base of published sets of image files, whose authors say which images belong to which split and class."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from saddlepoint.config.rules import TypedPath
from saddlepoint.data.archives import is_archive, open_archive
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.listing import ImageFile, listing
from saddlepoint.data.sources.opening import Damage, name_in_errors
from saddlepoint.errors import RequestError
from saddlepoint.image_files.errors import Unreadable
from saddlepoint.image_files.packed import Place


class Split(NamedTuple):
    """The images of a set, as its authors divide them."""

    train: list[ImageFile]
    test: list[ImageFile]
    class_of: dict[str, int]  # name of an image -> its class, from 0; empty without classes
    class_names: tuple[str, ...]


class ListedFiles(ImageFolder):
    """A set of image files in a folder or a zip archive, with lists of its authors. A subclass reads the lists.

    See ImageFolder for the settings.
    """

    way_to_test = "type split=train"  # how to measure all the same, in a message

    def __init__(self, root: TypedPath, **more):
        super().__init__(root, extensions=None, train_fraction=None, split_seed=0, white=None, draft=False, **more)

    @abstractmethod
    def read_lists(self) -> Split:
        """Returns the images of each split. Refuses missing or damaged lists, and images that are not there."""

    def _list_files(self) -> list[ImageFile]:
        self._split = self.read_lists()
        return [*self._split.train, *self._split.test]

    def classes_of(self, files: list[ImageFile]) -> tuple[list[int], tuple[str, ...]]:
        return [self._split.class_of[file.name] for file in files], self._split.class_names

    def split_of(self, files: list[ImageFile]) -> tuple[list[ImageFile], list[ImageFile]]:
        return sorted(self._split.train), sorted(self._split.test)

    def evaluation_images(self, split: str = "train") -> EvaluationFiles:
        self.setup()
        if not self._parts[split]:
            raise RequestError(f"{self.place} has no {split} images beside those that are trained on: "
                               f"{self.way_to_test}")
        return super().evaluation_images(split)


@dataclass(frozen=True)
class Tree:
    """The files of a folder or of a zip archive, of some endings."""

    where: Path
    files: dict[str, Place]  # name with forward slashes -> the file

    def text(self, name: str) -> str:
        """Returns the text of a file."""
        return read_text(self.files[name], self.where / name)


def open_tree(path: Path, endings: Iterable[str], typed: str) -> Tree:
    """Lists the files of a folder or archive. `typed`: the setting that names it, for messages."""
    found = open_archive(path, endings, f"{typed}: {path}").listing if is_archive(path) else listing(path, endings)
    return Tree(path, {file.name: file.path for file in found.files})


def read_text(place: Place, where: Path) -> str:
    """Returns the text of a file."""
    with name_in_errors(where):
        try:
            return place.read_bytes().decode("utf-8-sig")
        except (Unreadable, UnicodeDecodeError) as error:
            raise Damage(f"it is no text ({error})" if isinstance(error, ValueError) else str(error)) from error


def missing_images(where: Path, names: list[str], count: int, listed_in: str) -> RequestError:
    """Returns the error for images that a list names and that are not there."""
    return RequestError(f"{where} lacks {len(names):,} of the {count:,} images that {listed_in} lists, e.g. "
                        f"{names[0]}: unpack or copy the set again.")
