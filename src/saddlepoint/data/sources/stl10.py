"""STL-10 (Coates, Lee and Ng 2011, https://cs.stanford.edu/~acoates/stl10/): images of 3 x 96 x 96, of which 5,000
for training and 8,000 for testing are in ten classes, and 100,000 more, of other things too, are in none.
"""

from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from torchvision import datasets

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.class_numbers import counted_from_one, require_number_of_classes
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.opening import Damage, fill, name_in_errors
from saddlepoint.data.sources.unpacking import unpack
from saddlepoint.errors import RequestError

PARTS = ("train", "unlabelled", "train+unlabelled")
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_IMAGES = {"train": "train_X.bin", "unlabelled": "unlabeled_X.bin", "test": "test_X.bin"}
_LABELS = {"train": "train_y.bin", "test": "test_y.bin"}
_SHAPE = (3, 96, 96)
_BYTES = 3 * 96 * 96
_AT_ONCE = 500  # images


class STL10(InMemoryImages):
    """STL-10, from its binary files in `root` or in `root`/stl10_binary. `prepare_data` downloads the archive (2.6 GB)
    if they are missing, and unpacks it.

    root: the folder
    part: what is trained on: train (5,000 images in classes), unlabelled (100,000, 2.8 GB in memory) or
        train+unlabelled, both without classes
    """

    def __init__(self, root: TypedPath, part: Annotated[str, rules.one_of(*PARTS)] = "train", **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")
        self.part = one_of("part", part, PARTS)
        if part != "train":
            require_number_of_classes(self.num_classes, 0, f"data.part={part}")

    def prepare_data(self) -> None:
        archive, folder = self.root / datasets.STL10.filename, self.root / datasets.STL10.base_folder
        if all(path.is_file() for path in self._images_files("train")) or folder.exists():
            return
        if not archive.is_file():
            download(self._remote_files(), self.root, self.name)
        unpack(archive, folder.name)

    def read(self, split: str) -> LabelledImages:
        files = self._images_files(split)
        images = _read_images([self._existing(file) for file in files])
        if split == "train" and self.part != "train":
            return LabelledImages(images, torch.zeros(len(images), dtype=torch.long), ())
        label_file = self._existing(self._path(_LABELS[split]))
        with name_in_errors(label_file):
            content = label_file.read_bytes()
            if len(content) != len(images):
                raise Damage(f"it has {len(content):,} labels, but {files[0].name} has {len(images):,} images")
            labels = counted_from_one(torch.frombuffer(bytearray(content), dtype=torch.uint8), len(CLASSES))
        return LabelledImages(images, labels, CLASSES)

    def _images_files(self, split: str) -> list[Path]:
        parts = ["test"] if split == "test" else self.part.split("+")
        return [self._path(_IMAGES[part]) for part in parts]

    def _path(self, name: str) -> Path:
        below = self.root / datasets.STL10.base_folder / name
        return below if below.is_file() else self.root / name

    def _existing(self, path: Path) -> Path:
        if path.is_file():
            return path
        folder = self.root / datasets.STL10.base_folder
        if folder.is_dir():
            raise RequestError(f"{folder} lacks {path.name}: put it there, or remove the folder, and "
                               f"{datasets.STL10.filename} is unpacked or downloaded anew.")
        raise missing_error(self._remote_files(), self.root, self.name, f"neither {path.name} nor the archive")

    def _remote_files(self) -> list[Remote]:
        return [Remote(datasets.STL10.filename, [datasets.STL10.url], datasets.STL10.tgz_md5)]


def _read_images(files: list[Path]) -> Tensor:
    """Reads the images of all files as one tensor [N, 3, 96, 96] uint8. The files have an image colour by colour, and a
    colour column by column."""
    sizes = []
    for file in files:
        with name_in_errors(file):
            size = file.stat().st_size
            if size == 0 or size % _BYTES:
                raise Damage(f"its {size:,} bytes are not a whole number of images of {_BYTES:,}")
            sizes.append(size // _BYTES)
    images = torch.empty(sum(sizes), *_SHAPE, dtype=torch.uint8)
    buffer = torch.empty(_AT_ONCE, *_SHAPE, dtype=torch.uint8)
    for file, part in zip(files, images.split(sizes), strict=True):
        with name_in_errors(file), file.open("rb") as stream:
            for some in part.split(_AT_ONCE):
                columns = buffer[:len(some)]
                if fill(columns, stream) < columns.numel():
                    raise Damage("it ended while it was read")
                some.copy_(columns.transpose(2, 3))
    return images
