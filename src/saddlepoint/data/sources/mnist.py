"""MNIST (LeCun, Bottou, Bengio and Haffner 1998, http://yann.lecun.com/exdb/mnist/) and Fashion-MNIST (Xiao, Rasul and
Vollgraf 2017, https://arxiv.org/abs/1708.07747): 60,000 training and 10,000 test images of 1 x 28 x 28 in ten classes.
"""

from pathlib import Path
from typing import ClassVar

from torchvision import datasets

from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.memory import InMemoryImages, LabelledImages, name_classes
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.idx import read_idx
from saddlepoint.data.sources.opening import find
from saddlepoint.errors import RequestError

_PREFIX = {"train": "train", "test": "t10k"}


class MNIST(InMemoryImages):
    """MNIST, or any set in IDX files of the same names, gzipped or not.

    The files are in `root`, or below it where torchvision puts them. `prepare_data` downloads them if they are missing.
    """

    of_characters = True

    remote: ClassVar[type[datasets.MNIST]] = datasets.MNIST
    known_classes: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def __init__(self, root: TypedPath, **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")

    def prepare_data(self) -> None:
        if not any(self._find("train")):
            download(self._remote_files(), self.root, self.name)

    def read(self, split: str) -> LabelledImages:
        image_file, label_file = self._find(split)
        if not image_file and not label_file:
            raise missing_error(self._remote_files(), self.root, self.name, "no file there has one of these names")
        if not image_file or not label_file:
            missing = f"{_PREFIX[split]}-{'labels-idx1' if image_file else 'images-idx3'}-ubyte"
            raise RequestError(f"{image_file or label_file} is there, but {missing} is not: put it beside it, "
                               f"with or without .gz.")
        images, labels = read_idx(image_file, 3), read_idx(label_file, 1).long()
        if len(images) != len(labels):
            raise RequestError(f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels: "
                               f"they do not belong together.")
        return LabelledImages(images.unsqueeze(1), *name_classes(labels, self.known_classes))

    def _find(self, split: str) -> tuple[Path | None, Path | None]:
        """Returns the files of images and of labels, None for one that is missing."""
        folders = (self.root, self.root / self.remote.__name__ / "raw")
        return tuple(find(folders, [f"{_PREFIX[split]}-{kind}{dash}{idx}-ubyte" for dash in "-."])
                     for kind, idx in (("images", "idx3"), ("labels", "idx1")))

    def _remote_files(self) -> list[Remote]:
        return [Remote(name, [mirror + name for mirror in self.remote.mirrors], md5)
                for name, md5 in self.remote.resources]


class FashionMNIST(MNIST):
    """Fashion-MNIST, in files of the same names and format as MNIST's."""

    of_characters = False

    remote = datasets.FashionMNIST
    known_classes = tuple(datasets.FashionMNIST.classes)
