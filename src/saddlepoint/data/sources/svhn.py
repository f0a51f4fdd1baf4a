"""SVHN, Street View House Numbers, cropped digits (Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers/):
73,257 training images of 3 x 32 x 32 in ten classes, 26,032 test images, and 531,131 easier extra ones.
"""

from pathlib import Path
from typing import Annotated

import numpy
import torch
from torch import Tensor
from torchvision import datasets

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import TypedPath
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.downloading import Remote, download, missing_error
from saddlepoint.data.sources.matlab import read_matrices
from saddlepoint.data.sources.opening import Damage, name_in_errors

PARTS = ("train", "extra", "train+extra")


class SVHN(InMemoryImages):
    """The cropped digits of SVHN, from MATLAB's files in `root`: train_32x32.mat, test_32x32.mat, extra_32x32.mat.

    `prepare_data` downloads what is missing of the part that is trained on, and of the test images with it.

    root: the folder
    part: what is trained on: train (73,257 images), extra (531,131, 1.6 GB in memory) or train+extra
    """

    of_characters = True

    def __init__(self, root: TypedPath, part: Annotated[str, rules.one_of(*PARTS)] = "train", **more):
        super().__init__(**more)
        self.root = expanded(root, "data.root")
        self.part = one_of("part", part, PARTS)

    def prepare_data(self) -> None:
        if any(not path.is_file() for path in self._paths("train")):
            wanted = [*self.part.split("+"), "test"]
            missing = [each for each in map(_remote, wanted) if not (self.root / each.name).is_file()]
            download(missing, self.root, self.name)

    def read(self, split: str) -> LabelledImages:
        contents = [self._content(path) for path in self._paths(split)]
        images, labels = contents[0] if len(contents) == 1 else map(torch.cat, zip(*contents, strict=True))
        return LabelledImages(images, labels, tuple("0123456789"))

    def _paths(self, split: str) -> list[Path]:
        parts = ["test"] if split == "test" else self.part.split("+")
        return [self.root / _remote(part).name for part in parts]

    def _content(self, path: Path) -> tuple[Tensor, Tensor]:
        """Reads the images [N, 3, 32, 32] uint8 and labels [N] int64 of a file."""
        if not path.is_file():
            part = path.name.split("_")[0]
            raise missing_error([_remote(part)], self.root, self.name, "no file there has this name")
        with name_in_errors(path):
            matrices = read_matrices(path, ("X", "y"))
            if missing := {"X", "y"} - matrices.keys():
                raise Damage(f"it has no matrix {missing.pop()}")
            pixels, labels = matrices["X"], matrices["y"].flatten()
            if pixels.dtype != numpy.uint8 or pixels.ndim != 4 or pixels.shape != (32, 32, 3, len(labels)):
                raise Damage(f"its X is {pixels.dtype} {[*pixels.shape]} and its y {[*matrices['y'].shape]}, not uint8 "
                             "[32, 32, 3, N] and [N, 1]")
            if not ((labels >= 1) & (labels <= 10) & (labels == numpy.floor(labels))).all():
                raise Damage("its y has other numbers than the classes 1 to 10")
        images = torch.from_numpy(pixels.transpose(3, 2, 0, 1)).contiguous()
        return images, torch.from_numpy(labels.astype(numpy.int64)) % 10  # the files have the digit 0 as class 10


def _remote(part: str) -> Remote:
    """Returns the file of `train`, `test` or `extra`."""
    address, name, md5 = datasets.SVHN.split_list[part]
    return Remote(name, [address], md5)
