"""A data set in NumPy's .npy or .npz files, in one or in several of them (shards)."""

import glob
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated

import numpy

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import labels as label_files
from saddlepoint.data.array_files import ENDINGS, MOST_LABELS, open_arrays
from saddlepoint.data.arrays import LABELS, LAYOUTS, Row, RowLoader, Scale, Shard, open_images, rows_of
from saddlepoint.data.decoding import MOST_PIXELS, Unreadable
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.residence import in_words
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.errors import RequestError


class ArrayImages(ImageFolder):
    """Images in arrays: ADM's .npz (`arr_0` [N, H, W, 3] uint8, `arr_1` the labels), or any .npy or .npz file of images
    [N, H, W], [N, H, W, C] or [N, C, H, W].

    Images are read out of the files one by one, by their place, so that sets larger than memory can be trained on. An
    array that was saved compressed cannot be read in parts; it is unpacked into memory, once. Nothing is unpickled. A
    file that vanishes or changes during training ends the run.

    root: an .npy or .npz file, a folder or a pattern (`samples/*.npz`) of several, which are taken in the order of
        their names, or a list of files
    images: the name of the array of images in .npz files; None: arr_0, or the only one that can be images
    labels: the name of the class numbers in .npz files, or an .npy file of them; None: arr_1
    layout: NHWC or NCHW; None: which of the two has 1, 3 or 4 channels
    black, white: the numbers that are black and white in arrays of other than uint8, which are rounded to 8 bits; white
        None refuses such arrays

    See ImageFolder for the other settings, of which those about files have no meaning here.
    """

    corrupt_things, remedy = "images", "Get or make the file again."

    def __init__(self, root: Annotated[str | Sequence[str] | None,
                                       rules.optional(rules.either(rules.path, rules.list_of(rules.path)))],
                 images: Annotated[str | None, rules.optional(rules.text)] = None,
                 labels: Annotated[str | None, rules.optional(rules.path)] = None,
                 layout: Annotated[str | None, rules.one_of(*LAYOUTS, None)] = None,
                 black: Annotated[float, rules.number()] = 0.0,
                 white: Annotated[float | None, rules.optional(rules.number())] = None, **more):
        super().__init__(root=None, extensions=None, corrupt="fail", cache=None, max_pixels=MOST_PIXELS, white=None,
                         draft=False, **more)
        if white is not None and not (isfinite(white) and isfinite(black) and black < white):
            raise ValueError(f"data.white={white} must be above data.black={black}: they are the numbers that are "
                             "white and black in the arrays")
        typed = [root] if isinstance(root, str) else list(root or ())
        self.roots = [expanded(each, self.root_setting) for each in typed]
        self.images, self.layout = images, one_of("layout", layout, (*LAYOUTS, None))
        self.labels = labels
        self.scale = None if white is None else Scale(black, white)
        self._shards: list[Shard] = []

    @property
    def place(self) -> str:
        return f"{self.root_setting}={self.roots[0] if len(self.roots) == 1 else f'[{self.roots[0]},...]'}"

    def loader(self, framing: ResizeAndCrop) -> RowLoader:
        return RowLoader(self.channels, framing, self.limits, None)

    def describe(self) -> list[str]:
        unpacked = sum(shard.array.num_bytes for shard in self._shards if shard.unpacked is not None)
        return super().describe() + ([f"unpacked in memory: {in_words(unpacked)}, as the arrays are compressed; those "
                                      "of numpy.savez are read in parts"] if unpacked else [])

    def classes_of(self, files: list[ImageFile]) -> tuple[list[int], tuple[str, ...]]:
        found = [self._labels_of(shard) for shard in self._shards] if not self._labels_path else [
            _numbers(self._labels_path, open_arrays(self._labels_path))]
        lengths = sum(map(len, found))
        if lengths != len(files):
            raise RequestError(f"{self.place} has {len(files):,} images and {lengths:,} labels: get or make the files "
                               f"again, or {label_files.WITHOUT}")
        where = self._labels_path or self.place
        return label_files.classes_of(numpy.concatenate(found), self.num_classes, str(where))

    def _list_files(self) -> list[ImageFile]:
        if not self.roots:
            raise RequestError(f"data={self.name} needs to know the file: type {self.root_setting}=FILE.npz, or "
                               f"{self.root_setting}=FOLDER for several")
        self._shards = open_images(self._paths(), self.images, self.layout, self.scale)
        for shard in self._shards:
            try:
                shard.pixels(0)  # a wrong black or white shows before a run is made
            except Unreadable as error:
                raise RequestError(f"{self.place}: {Row(shard, 0)}: {error}") from error
        return [ImageFile(f"{number:08}", row) for number, row in enumerate(rows_of(self._shards))]

    @property
    def _labels_path(self) -> Path | None:
        """The .npy file of labels; None if they are arrays in .npz files."""
        return expanded(self.labels, "data.labels") if self.labels and self.labels.endswith(".npy") else None

    def _paths(self) -> list[Path]:
        paths = [path for root in self.roots for path in self._files_of(root)]
        labels = self._labels_path and self._labels_path.absolute()
        return [path for path in paths if path.absolute() != labels]

    def _files_of(self, root: Path) -> list[Path]:
        if root.is_file():
            return [root]
        found = root.iterdir() if root.is_dir() else map(Path, glob.glob(str(root)))  # noqa: PTH207
        found = sorted(path for path in found if path.suffix.lower() in ENDINGS and not path.name.startswith("."))
        if not found:
            problem = "has no .npy or .npz file" if root.is_dir() else "does not exist"
            raise RequestError(f"{self.root_setting}={root} {problem}: type {self.root_setting}=FILE.npz, FILE.npy, "
                               "a folder of such files, or a pattern like 'samples/*.npz'")
        return found

    def _labels_of(self, shard: Shard) -> numpy.ndarray:
        path, name = shard.array.file.path, self.labels or LABELS
        arrays = open_arrays(path)
        if name not in arrays:
            there = ", ".join(filter(None, arrays)) or "one array without a name"
            raise RequestError(f"data.num_classes={self.num_classes}, but {path} has no labels called {name} (there is "
                               f"{there}): type data.labels=NAME, data.labels=FILE.npy, or {label_files.NO_CLASSES}")
        return _numbers(path, {name: arrays[name]})


def _numbers(path: Path, arrays: dict) -> numpy.ndarray:
    """Returns the only array of labels. Raises a RequestError if it is too large to be labels."""
    [array] = arrays.values()
    if array.kind.kind not in "iuf" or len(array.shape) not in (1, 2) or array.num_bytes > MOST_LABELS:
        raise RequestError(f"{path}: the labels have the shape {list(array.shape)} and are of kind {array.kind}, and "
                           f"must be a class number for each image: {label_files.WITHOUT}")
    return array.unpacked()


