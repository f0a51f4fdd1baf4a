"""Stacked digits, whose modes can be counted: each channel of an image shows a digit of its own.

Metz et al. 2017, https://arxiv.org/abs/1611.02163, section 3.3.1, stack without end; Srivastava et al. 2017 (VEEGAN),
https://arxiv.org/abs/1705.07761, and Lin et al. 2018 (PacGAN), https://arxiv.org/abs/1712.04086, have 128,000 fixed
stacks. K digits of H x W pixels, N stacks of C digits each.
"""

import hashlib
from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from saddlepoint.checks import at_least, one_of
from saddlepoint.config import rules
from saddlepoint.config.rules import Count, Seed, TypedPath, null_unless_chosen
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.memory import LabelledImages
from saddlepoint.data.sampling import EndlessOrder, OrderOfPacks, StoredOrder, fixed_subset, left_out_by_subset
from saddlepoint.data.sources.coloured_digits import padded
from saddlepoint.data.sources.digit_sets import DIGIT, DigitSet
from saddlepoint.data.stacking import EvaluationStacks, FixedStacks, NewStacks, StackedBatches, modes_of
from saddlepoint.errors import RequestError
from saddlepoint.game.random_streams import seed_of

MOST_DIGITS = 4  # of a stack: 10,000 modes
MEASURED = 50_000  # stacks that metrics compare with where no fixed stacks are trained on
DIGITS = "data.digits=mnist5k or mnist"


class StackedDigits(ImageDataModule):
    """Stacks of digits: images of `per_stack` channels, in each of which a digit is drawn independently, with
    replacement. Its mode is the number that its digits spell, the first channel first: 0 to 10^per_stack - 1.

    Fixed stack i of a split is a function of `stack_seed` and i, the new stack at position p of the stream of `seed`
    and p. Memory holds the digits, and of each stack their numbers.

    digits: the set of digits that stacks are made of
    root: the folder with its files; None: it has none
    per_stack: digits of a stack, 1 to 4
    num_stacks: fixed stacks to train on, 1 or more; None: each stack is new
    stack_seed: of the fixed stacks; not that of the run, so that runs share their stacks
    shuffle: whether each epoch has the fixed stacks in an order of its own, or all in one order
    fixed_packs: fixed stacks that follow each other in every order, 1 or more; divides `num_stacks` and `batch_size`
    on_device: whether all digits are kept in the memory of the device that trains: `auto`, True or False

    See ImageDataModule for the other settings; `subset_size` is of digits, and `channels` equals `per_stack`.
    """

    of_characters = True

    def __init__(self, digits: Annotated[DigitSet | None, null_unless_chosen(DIGITS)] = None,
                 root: TypedPath | None = None, per_stack: Annotated[int, rules.integer(1, MOST_DIGITS)] = 3,
                 num_stacks: Count | None = 128_000, stack_seed: Seed = 0, shuffle: bool = True, fixed_packs: Count = 1,
                 on_device: Annotated[bool | str, rules.one_of("auto", True, False)] = "auto", **more):
        super().__init__(horizontal_flip=False, **more)
        at_least(1, num_stacks=num_stacks, fixed_packs=fixed_packs)
        if digits is None:
            raise ValueError(f"data.digits=null makes no stacks: type {DIGITS}")
        if per_stack not in range(1, MOST_DIGITS + 1):
            raise ValueError(f"data.per_stack={per_stack} must be from 1 to {MOST_DIGITS} digits")
        if self.channels != per_stack:
            raise ValueError(f"data.channels={self.channels} must be data.per_stack={per_stack}, one channel for each "
                             "digit: type data.per_stack alone")
        if self.num_classes:
            raise ValueError(f"data.num_classes={self.num_classes} must be 0: data={self.name} has no classes")
        if min(self.sides) < DIGIT:
            raise ValueError(f"data.image_size={self.sides} must be at least the {DIGIT} pixels of a digit")
        self.digits, self.per_stack, self.num_stacks, self.stack_seed = digits, per_stack, num_stacks, stack_seed
        self.shuffle, self.fixed_packs = shuffle, fixed_packs
        self.on_device = one_of("on_device", on_device, ("auto", True, False))
        self._refuse_broken_packs()
        self.source = digits.opened(self.name, root)
        self._training_digits: LabelledImages | None = None  # once they are read
        self._line = ""  # which says what is stacked

    def prepare_data(self) -> None:
        self.source.prepare_data()

    def automatic_workers(self) -> int:
        return 0  # gathering a batch from memory is faster than sending it from another process

    def open(self) -> Dataset:
        digits = self.read("train")
        num_digits = len(digits.labels)
        if self.num_stacks is None:
            self.num_images, chosen = num_digits, NewStacks(num_digits, self.per_stack, self.seed)
            self._line = f"stacks: each of {self.per_stack} of these digits, and new"
        else:
            table = self._fixed("train", digits, self.num_stacks)
            self.num_images, chosen = self.num_stacks, FixedStacks(table, self._order())
            self._line = (f"stacks: each of {self.per_stack} of {num_digits:,} digits, with "
                          f"{len(modes_of(table, digits.labels).unique()):,} of {10**self.per_stack:,} modes")
        self.contents = {"contents": self._digest(digits)}
        return StackedBatches(digits.images, chosen, self.num_images)

    def read(self, split: str) -> LabelledImages:
        """Returns the digits of a split, uint8 [K, 1, H, W] with black all round if H x W is more than 28 x 28."""
        if split not in self.digits.splits:
            raise RequestError(f"data={self.name} has no {split} images, only {' and '.join(self.digits.splits)}: name "
                               "one of these, or set digits aside for it, e.g. data.digits.held_out=1000")
        if split == "train" and self._training_digits is not None:
            return self._training_digits
        digits = self.digits.read(self.source, split)
        if split == "train" and self.subset_size is not None:
            chosen = fixed_subset(len(digits.labels), self.subset_size)
            self.left_out = left_out_by_subset(len(digits.labels), self.subset_size)
            digits = digits._replace(images=digits.images[chosen], labels=digits.labels[chosen])
        digits = digits._replace(images=padded(digits.images, self.sides))
        self._training_digits = digits if split == "train" else self._training_digits
        return digits

    def evaluation_images(self, split: str = "train") -> EvaluationStacks:
        """Returns the fixed stacks that are trained on; where there are none, and of `test`, 50,000 fixed ones."""
        digits = self.read(split)
        count = self.num_stacks if split == "train" and self.num_stacks else MEASURED
        return EvaluationStacks(self.name, split, digits, self._fixed(split, digits, count))

    def describe(self) -> list[str]:
        first, *others = super().describe()
        return [first, self._line, *others]

    def _fixed(self, split: str, digits: LabelledImages, count: int) -> Tensor:
        """Returns the numbers [count, C] int64 of the digits of the first `count` fixed stacks."""
        source = Generator().manual_seed(seed_of(self.stack_seed, 0, f"data/stacks/{split}"))
        return torch.randint(len(digits.labels), (count, self.per_stack), generator=source)

    def _order(self) -> EndlessOrder:
        if not self.shuffle:
            return StoredOrder(self.num_stacks, self.seed)
        return OrderOfPacks(self.num_stacks, self.seed, self.fixed_packs)

    def _digest(self, digits: LabelledImages) -> str:
        """Returns a SHA-256 of the digits and of how they are stacked, which does not depend on the run's seed."""
        content = hashlib.sha256(repr((tuple(digits.images.shape), self.per_stack)).encode())
        tensors = [digits.images, digits.labels]
        if self.num_stacks is not None:
            tensors.append(self._fixed("train", digits, self.num_stacks))
        for tensor in tensors:
            content.update(tensor.contiguous().numpy().data)
        return content.hexdigest()

    def _refuse_broken_packs(self) -> None:
        pack = self.fixed_packs
        if pack > 1 and self.num_stacks is None:
            raise ValueError(f"data.fixed_packs={pack} keeps fixed stacks together, and with data.num_stacks=null each "
                             "stack is new: type data.fixed_packs=1")
        for name, value in (("num_stacks", self.num_stacks), ("batch_size", self.batch_size)):
            if value is not None and value % pack:
                raise ValueError(f"data.{name}={value} must be a multiple of data.fixed_packs={pack}: type "
                                 f"data.{name}={max(value // pack, 1) * pack}")
