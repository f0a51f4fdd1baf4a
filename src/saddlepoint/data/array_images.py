"""A data set in NumPy's .npy or .npz files, in one or in several of them (shards)."""

import glob
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.array_files import ENDINGS
from saddlepoint.data.array_labels import label_file, read_classes
from saddlepoint.data.arrays import LAYOUTS, Row, RowLoader, Scale, Shard, open_images, rows_of
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
    image_array: the name of the array of images in .npz files; None: arr_0, or the only one that can be images
    label_array: the name of the class numbers in .npz files, or an .npy file of them; None: arr_1
    layout: NHWC or NCHW; None: which of the two has 1, 3 or 4 channels
    black, white: the numbers that are black and white in arrays of other than uint8, which are rounded to 8 bits; white
        None refuses such arrays

    See ImageFolder for the other settings, of which those about files have no meaning here.
    """

    corrupt_things, remedy, labels_come_beside = "images", "Get or make the file again.", True

    def __init__(self, root: Annotated[str | Sequence[str] | None,
                                       rules.optional(rules.either(rules.path, rules.list_of(rules.path)))],
                 image_array: Annotated[str | None, rules.optional(rules.text)] = None,
                 label_array: Annotated[str | None, rules.optional(rules.path)] = None,
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
        self.image_array, self.label_array = image_array, label_array
        self.layout = one_of("layout", layout, (*LAYOUTS, None))
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
        paths = [shard.array.file.path for shard in self._shards]
        return read_classes(paths, self.label_array, self.num_classes, "images", len(files), self.place)

    def _list_files(self) -> list[ImageFile]:
        if not self.roots:
            raise RequestError(f"data={self.name} needs to know the file: type {self.root_setting}=FILE.npz, or "
                               f"{self.root_setting}=FOLDER for several")
        self._shards = open_images(self._paths(), self.image_array, self.layout, self.scale)
        self.containers = [shard.array.file for shard in self._shards]
        for shard in self._shards:
            try:
                shard.pixels(0)  # a wrong black or white shows before a run is made
            except Unreadable as error:
                raise RequestError(f"{self.place}: {Row(shard, 0)}: {error}") from error
        return [ImageFile(f"{number:08}", row) for number, row in enumerate(rows_of(self._shards))]

    def _paths(self) -> list[Path]:
        paths = [path for root in self.roots for path in self._files_of(root)]
        of_labels = (path := label_file(self.label_array)) and path.absolute()
        return [path for path in paths if path.absolute() != of_labels]

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
