"""Stacks small images in the channels of large ones, batch by batch, where the small ones lie.

K digits of H x W pixels, N stacks of C digits each.
"""

import hashlib

import torch
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config.image_sizes import Sides
from saddlepoint.data.evaluation_images import Block, EvaluationImages
from saddlepoint.data.memory import LabelledImages
from saddlepoint.data.sampling import EndlessOrder

DRAWN_AT_ONCE = 1 << 14  # new stacks, of which a table is kept


class FixedStacks:
    """Chooses the stacks of a stream among fixed ones.

    table: [N, C] int64, the numbers of each stack's digits
    order: which stack belongs to each position
    """

    def __init__(self, table: Tensor, order: EndlessOrder):
        self.table, self.order = table, order

    def on(self, device: torch.device) -> "FixedStacks":
        return FixedStacks(self.table.to(device), self.order.on(device))

    def at(self, positions: range) -> Tensor:
        """Returns the numbers [len(positions), C] int64 of the digits of each stack."""
        return self.table.index_select(0, self.order.images(positions))


class NewStacks(EndlessOrder):
    """Chooses the stacks of a stream anew at each position. They are drawn in tables of 16,384 positions.

    num_digits: K, digits to choose from
    per_stack: C, digits of a stack
    """

    def __init__(self, num_digits: int, per_stack: int, seed: int, device: torch.device | str = "cpu"):
        super().__init__(DRAWN_AT_ONCE, seed, device)
        self.num_digits, self.per_stack = num_digits, per_stack

    def on(self, device: torch.device) -> "NewStacks":
        return NewStacks(self.num_digits, self.per_stack, self.seed, device)

    def at(self, positions: range) -> Tensor:
        """Returns the numbers [len(positions), C] int64 of the digits of each stack."""
        shape = self.num_images, self.per_stack
        return self._look_up("stacks", positions, lambda source: torch.randint(self.num_digits, shape,
                                                                               generator=source))


class StackedBatches(Dataset):
    """A data set that stacks whole batches: a range of the stream's positions -> (stacks [len, C, H, W] uint8, labels
    [len] int64, all 0), on the device where its digits are.

    digits: [K, 1, H, W] uint8
    chosen: says which digits make the stack of each position
    num_images: stacks that count as an epoch
    """

    def __init__(self, digits: Tensor, chosen: FixedStacks | NewStacks, num_images: int):
        self.digits, self.chosen = digits, chosen
        self.labels = torch.zeros(num_images, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_bytes(self) -> int:
        """How much memory the digits take, and the numbers of fixed stacks."""
        table = getattr(self.chosen, "table", None)
        return self.digits.nbytes + (0 if table is None else table.nbytes)

    def to(self, device: torch.device) -> "StackedBatches":
        """Returns the same data set with its digits and numbers on another device."""
        return StackedBatches(self.digits.to(device), self.chosen.on(device), len(self.labels))

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor]:
        stacks = stacked(self.digits, self.chosen.at(positions))
        return stacks, torch.zeros(len(stacks), dtype=torch.long, device=stacks.device)


class EvaluationStacks(EvaluationImages):
    """Stacks for metrics, which are gathered block by block.

    name, split: of the data set, and `train` or `test`
    digits: uint8 [K, 1, H, W] with labels [K]
    table: [N, C] int64, the numbers of each stack's digits
    """

    framing = "none"

    def __init__(self, name: str, split: str, digits: LabelledImages, table: Tensor):
        super().__init__(name, split, torch.zeros(len(table), dtype=torch.long))
        self.digits, self.table, self.channels = digits, table, table.shape[1]
        self.image_size = Sides(*digits.images.shape[-2:]).image_size

    @property
    def modes(self) -> Tensor:
        """The true mode [N] int64 of each stack."""
        return modes_of(self.table, self.digits.labels)

    def subset(self, indices: Tensor) -> "EvaluationStacks":
        return EvaluationStacks(self.name, self.split, self.digits, self.table[indices])

    def block(self, indices: range) -> Block:
        part = slice(indices.start, indices.stop)
        return Block(stacked(self.digits.images, self.table[part]), self.labels[part], {})

    def identity(self) -> str:
        content = hashlib.sha256(self.digits.images.contiguous().numpy().data)
        content.update(self.table.contiguous().numpy().data)
        return f"{content.hexdigest()} {tuple(self.digits.images.shape)} {tuple(self.table.shape)}"


def stacked(digits: Tensor, numbers: Tensor) -> Tensor:
    """Returns stacks [N, C, H, W] of the digits [K, 1, H, W] that have these numbers [N, C]."""
    return digits.index_select(0, numbers.flatten()).view(*numbers.shape, *digits.shape[-2:])


def modes_of(numbers: Tensor, labels: Tensor) -> Tensor:
    """Returns the mode [N] int64 of each stack: the number that its digits spell, e.g. 7, 0, 2 -> 702.

    numbers: [N, C], the numbers of each stack's digits
    labels: [K], 0 to 9, what each digit shows
    """
    places = 10 ** torch.arange(numbers.shape[1] - 1, -1, -1, device=numbers.device)  # 100, 10, 1
    return (labels[numbers] * places).sum(1)
