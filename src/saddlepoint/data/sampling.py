"""The order of training data: an endless stream of epoch permutations, in which each position depends on the seed only.

With n images, position p of the stream belongs to epoch e = p // n and has image permutation_e[p - e n]. The random
numbers for an image (whether it is mirrored, where it is cropped) depend on the position too. So the stream can start
anywhere, and is the same for every number of workers and processes.
"""

import itertools
from collections.abc import Callable, Collection, Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from saddlepoint.errors import RequestError
from saddlepoint.game.device_memory import upload
from saddlepoint.game.random_streams import seed_of


class Batches(Sampler[range]):
    """An endless sampler of batches: the range of positions of one full batch after the other.

    `batch_size` b counts all processes: process r of R yields positions r b/R to (r + 1) b/R - 1 of each batch.
    """

    def __init__(self, start: int, batch_size: int, rank: int = 0, num_processes: int = 1):
        self.start, self.batch_size, self.rank, self.num_processes = start, batch_size, rank, num_processes

    def __iter__(self) -> Iterator[range]:
        share = self.batch_size // self.num_processes
        for first in itertools.count(self.start + self.rank * share, self.batch_size):
            yield range(first, first + share)


class EndlessOrder:
    """The order of the stream: which image, and which random numbers, belong to each of its positions.

    They are read from a table for each purpose and epoch, which is drawn on the CPU when the stream gets to that epoch
    and copied to `device` once.
    """

    def __init__(self, num_images: int, seed: int, device: torch.device | str = "cpu"):
        self.num_images, self.seed, self.device = num_images, seed, torch.device(device)
        self._tables: dict[str, tuple[int, Tensor]] = {}  # purpose -> newest epoch, table

    def on(self, device: torch.device) -> "EndlessOrder":
        """Returns the same order, with its tables on another device."""
        return EndlessOrder(self.num_images, self.seed, device)

    def images(self, positions: range) -> Tensor:
        """Returns the image at each position: [len(positions)] int64 in 0 .. num_images - 1."""
        return self._look_up("order", positions, lambda source: torch.randperm(self.num_images, generator=source))

    def coins(self, purpose: str, positions: range) -> Tensor:
        """Draws [len(positions)] bool, True with probability 1/2."""
        return self._look_up(purpose, positions, lambda source: torch.rand(self.num_images, generator=source) < 0.5)

    def points(self, purpose: str, positions: range) -> Tensor:
        """Draws [len(positions), 2] from U[0, 1)."""
        return self._look_up(purpose, positions, lambda source: torch.rand(self.num_images, 2, generator=source))

    def other_images(self, position: int) -> Tensor:
        """Returns all images [num_images] int64 in the order in which they are tried if that at `position` is
        unreadable."""
        return torch.randperm(self.num_images, generator=self._generator("instead", position))

    def _look_up(self, purpose: str, positions: range, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """Returns the rows of the tables for these positions, which may lie in several epochs."""
        pieces = []
        for epoch in range(positions.start // self.num_images, (positions.stop - 1) // self.num_images + 1):
            before = epoch * self.num_images
            pieces.append(self._table(purpose, epoch, draw)[max(positions.start - before, 0):positions.stop - before])
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _table(self, purpose: str, epoch: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        drawn_for, table = self._tables.get(purpose, (None, None))
        if drawn_for != epoch:
            table = upload(self._drawn(purpose, epoch, draw), self.device)
            self._tables[purpose] = epoch, table
        return table

    def _drawn(self, purpose: str, epoch: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return draw(self._generator(purpose, epoch))

    def _generator(self, purpose: str, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, step, f"data/{purpose}"))


class OrderOfReadable(EndlessOrder):
    """The order of a set of which some images cannot be read: where one of these would be, another takes its place, the
    first that can be read of `other_images`.

    unreadable: the images that cannot be read; not all
    """

    def __init__(self, num_images: int, seed: int, unreadable: Collection[int], device: torch.device | str = "cpu"):
        super().__init__(num_images, seed, device)
        self.unreadable = unreadable
        self._cannot = torch.zeros(num_images, dtype=torch.bool)
        self._cannot[[*unreadable]] = True

    def on(self, device: torch.device) -> "OrderOfReadable":
        return OrderOfReadable(self.num_images, self.seed, self.unreadable, device)

    def _drawn(self, purpose: str, epoch: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        table = super()._drawn(purpose, epoch, draw)
        if purpose == "order":
            for place in self._cannot[table].nonzero().flatten().tolist():
                others = self.other_images(epoch * self.num_images + place)
                table[place] = others[~self._cannot[others]][0]
        return table


class OrderOfPacks(EndlessOrder):
    """The order of a set whose images, m at a time, follow each other in every epoch as they do in the set.

    num_images: a multiple of m
    size: m; with 1 it is the order of EndlessOrder
    """

    def __init__(self, num_images: int, seed: int, size: int, device: torch.device | str = "cpu"):
        super().__init__(num_images, seed, device)
        self.size = size

    def on(self, device: torch.device) -> "OrderOfPacks":
        return OrderOfPacks(self.num_images, self.seed, self.size, device)

    def _drawn(self, purpose: str, epoch: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        if purpose != "order":
            return super()._drawn(purpose, epoch, draw)
        packs = torch.randperm(self.num_images // self.size, generator=self._generator(purpose, epoch))
        return (packs[:, None] * self.size + torch.arange(self.size)).flatten()


class StoredOrder(EndlessOrder):
    """The order in which a set is stored, the same in every epoch."""

    def on(self, device: torch.device) -> "StoredOrder":
        return StoredOrder(self.num_images, self.seed, device)

    def images(self, positions: range) -> Tensor:
        return torch.arange(positions.start, positions.stop, device=self.device) % self.num_images


def fixed_subset(num_images: int, subset_size: int) -> Tensor:
    """Returns the indices [subset_size] int64 of a subset. It does not depend on the seed of the experiment, so that
    runs which differ in their seed share their images."""
    require_enough(num_images, subset_size)
    return torch.randperm(num_images, generator=torch.Generator().manual_seed(0))[:subset_size]


def require_enough(num_images: int, subset_size: int) -> None:
    """Refuses a subset of more images than there are."""
    if subset_size > num_images:
        raise RequestError(f"data.subset_size={subset_size} is more than the {num_images} images there are: "
                           f"type data.subset_size=null to use all")


def left_out_by_subset(num_images: int, subset_size: int) -> list[str]:
    """Returns a phrase for the images that a subset leaves out; no phrase if it has all images."""
    count = num_images - subset_size
    return [f"{count:,} images by data.subset_size={subset_size}"] if count else []
