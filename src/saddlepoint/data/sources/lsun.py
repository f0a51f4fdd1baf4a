"""LSUN (Yu et al. 2015, https://arxiv.org/abs/1506.03365): scenes and objects by category, from 126,227 churches to
3,033,042 bedrooms, whose smaller side has 256 pixels, in LMDB databases.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.data import describing
from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.evaluation_images import EvaluationFiles
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.identity import fingerprint
from saddlepoint.data.lmdb_files import DATA, Database, PlacesOf, StoredImage, StoredImages
from saddlepoint.data.loading import ImageLoader
from saddlepoint.data.sampling import fixed_subset, left_out_by_subset
from saddlepoint.data.sources.class_numbers import require_number_of_classes
from saddlepoint.errors import RequestError

NAMES = {"train": ("{}_train_lmdb", "{}"), "test": ("{}_val_lmdb",)}  # of a category's database; objects have no parts
LOOKED_AT = 64  # images of each category of which a few bytes make the identity of the set
SOURCE = "https://github.com/fyu/lsun"


class LSUN(ImageFolder):
    """Categories of LSUN, from the folders CATEGORY_train_lmdb (CATEGORY for objects) in `root`, and for the split
    `test` CATEGORY_val_lmdb, of 300 images.

    Databases are neither copied nor read as a whole: set-up reads the keys, 120 MB of three million images, and each
    process reads the images of its batches. So images that cannot be read are found when they are decoded.

    root: the folder
    categories: e.g. ["bedroom"]; with `num_classes`, which must be their number, each is a class

    See ImageFolder for the other settings.
    """

    def __init__(self, root: TypedPath,
                 categories: Annotated[Sequence[str], rules.list_of(rules.not_empty)] = ("bedroom",), **more):
        super().__init__(root, extensions=None, train_fraction=None, split_seed=0, white=None, draft=False, **more)
        self.categories = tuple(categories)
        typed = f"data.categories=[{','.join(self.categories)}]"
        if len({*self.categories}) < len(self.categories):
            raise ValueError(f"{typed} must be different categories")
        require_number_of_classes(self.num_classes, len(self.categories), typed)

    def open(self) -> Dataset:
        self._require_fixed_crops()
        files = self._stored("train")
        if self.subset_size is not None:
            self.left_out = left_out_by_subset(len(files), self.subset_size)
            files = files.some(fixed_subset(len(files), self.subset_size).sort().values.numpy())
        self.class_names = self.categories if self.num_classes else ()
        self._parts, self.num_images = {"train": files}, len(files)
        load = self.training_loader()
        unreadable = self._look_at_some(files, load)
        self._report(unreadable)
        return self.dataset(files, self._labels(files), load, unreadable)

    def evaluation_images(self, split: str = "train") -> EvaluationFiles:
        self.setup()
        if split not in self._parts:
            self._parts[split] = self._stored(split)
        files = self._parts[split]
        unreadable = [*self._dataset.unreadable] if split == "train" else []
        return self._evaluated(split, files.some(numpy.delete(numpy.arange(len(files)), unreadable)))

    def whole_training_part(self) -> EvaluationFiles:
        if self.subset_size is None:
            return self.evaluation_images("train")
        self.setup()
        return self._evaluated("train", self._stored("train"))

    def _evaluated(self, split: str, files: StoredImages) -> EvaluationFiles:
        return EvaluationFiles(self.name, split, PlacesOf(files), self._labels(files),
                               self.loader(self.evaluation_framing()))

    def files(self, split: str = "train") -> list[StoredImage]:
        return [*self.evaluation_images(split).files]

    def _stored(self, split: str) -> StoredImages:
        """Returns the image files of all categories. Refuses missing, empty and damaged databases."""
        databases = [Database(self._folder(category, split)) for category in self.categories]
        return StoredImages(self.categories, databases, [database.keys() for database in databases])

    def _folder(self, category: str, split: str) -> Path:
        names = [name.format(category) for name in NAMES[split]]
        found = next((self.root / name for name in names if (self.root / name / DATA).is_file()), None)
        if found is None:
            there = sorted(path.parent.name for path in self.root.glob(f"*/{DATA}"))
            zipped = next((f"unpack {name}.zip there" for name in names if (self.root / f"{name}.zip").is_file()), None)
            raise RequestError(
                f"data.root={self.root} has no folder {names[0]} with a {DATA}"
                f"{f' (it has {describing.listed(there)})' if there else ''}: "
                f"{zipped or f'get {names[0]}.zip from {SOURCE} and unpack it there'}"
                f"{', or type split=train' if split == 'test' else ', or type data.categories=[NAME] for another'}")
        return found

    def _labels(self, files: StoredImages) -> Tensor:
        numbers = torch.from_numpy(files.numbers_of_databases())
        return numbers if self.num_classes else torch.zeros_like(numbers)

    def _look_at_some(self, files: StoredImages, load: ImageLoader) -> dict[int, str]:
        """Reads a few headers of each category, and returns why some images cannot be used, by their index. Makes the
        identity of the set of the same images and all keys."""
        unreadable, looked_at = {}, {}
        numbers = files.numbers_of_databases()
        for category in range(len(self.categories)):
            indices = numpy.flatnonzero(numbers == category)
            for index in indices[::max(1, len(indices) // LOOKED_AT)].tolist():
                looked_at[index] = files[index]
                try:
                    self.losses.update(load.check(files[index].path).losses)
                except Unreadable as error:
                    unreadable[index] = str(error)
        if len(unreadable) == len(looked_at):
            raise RequestError(f"None of {len(looked_at):,} images of {self.place} that were looked at can be used, "
                               f"e.g. {files[min(unreadable)].name}: {unreadable[min(unreadable)]}.")
        keys = hashlib.sha256(" ".join(each.digest() for each in files.keys).encode() + files.chosen.tobytes())
        self.contents = {"names": keys.hexdigest(), "contents": fingerprint(looked_at.values())["contents"]}
        return unreadable
