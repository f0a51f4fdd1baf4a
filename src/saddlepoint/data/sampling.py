"""The order of training data: an endless stream of epoch permutations, every place of it a pure function of the seed.

With n images, position p of the stream belongs to epoch e = p // n and shows image permutation_e[p - e n]. What is
drawn for an image (mirrored or not, where it is cropped) belongs to the position too. So the stream can start anywhere,
and neither the number of workers nor the number of processes changes what it shows.
"""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from saddlepoint.errors import RequestError
from saddlepoint.game.random_streams import seed_of


class Batches(Sampler[range]):
    """Positions of one batch after the other, for ever; no length, no short batch.

    `batch_size` counts all processes: process r of R takes rows r b/R to (r + 1) b/R of each batch.
    """

    def __init__(self, start: int, batch_size: int, rank: int = 0, num_processes: int = 1):
        self.start, self.batch_size, self.rank, self.num_processes = start, batch_size, rank, num_processes

    def __iter__(self) -> Iterator[range]:
        share = self.batch_size // self.num_processes
        for first in itertools.count(self.start + self.rank * share, self.batch_size):
            yield range(first, first + share)


class EndlessOrder:
    """What stands at the positions of the stream. One table per epoch and purpose, made when the stream gets there."""

    def __init__(self, num_images: int, seed: int):
        self.num_images, self.seed = num_images, seed
        self._tables: dict[str, tuple[int, Tensor]] = {}  # by purpose, only the last epoch: streams move forward

    def images(self, positions: range) -> Tensor:
        """which image stands there: [len(positions)] int64 in 0 .. num_images - 1"""
        return self._look_up("order", positions, lambda source: torch.randperm(self.num_images, generator=source))

    def coins(self, purpose: str, positions: range) -> Tensor:
        """[len(positions)] bool, True with probability 1/2"""
        return self._look_up(purpose, positions, lambda source: torch.rand(self.num_images, generator=source) < 0.5)

    def points(self, purpose: str, positions: range) -> Tensor:
        """[len(positions), 2], U[0, 1)"""
        return self._look_up(purpose, positions, lambda source: torch.rand(self.num_images, 2, generator=source))

    def other_images(self, position: int) -> Tensor:
        """[num_images] int64: the order in which to look for an image to put there instead"""
        return torch.randperm(self.num_images, generator=self._generator("instead", position))

    def _look_up(self, purpose: str, positions: range, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """The slices of every epoch that `positions` touches, one after the other: mostly one."""
        pieces = []
        for epoch in range(positions.start // self.num_images, (positions.stop - 1) // self.num_images + 1):
            before = epoch * self.num_images
            pieces.append(self._table(purpose, epoch, draw)[max(positions.start - before, 0):positions.stop - before])
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _table(self, purpose: str, epoch: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        drawn_for, table = self._tables.get(purpose, (None, None))
        if drawn_for != epoch:
            table = draw(self._generator(purpose, epoch))
            self._tables[purpose] = epoch, table
        return table

    def _generator(self, purpose: str, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, step, f"data/{purpose}"))


def fixed_subset(num_images: int, subset_size: int) -> Tensor:
    """[subset_size] int64: the beginning of one permutation, the same for every seed of an experiment, so that runs
    which differ in their seed still share their images"""
    permutation = torch.randperm(num_images, generator=torch.Generator().manual_seed(0))
    return permutation[:at_most(num_images, subset_size)]


def at_most(num_images: int, subset_size: int) -> int:
    if subset_size > num_images:
        raise RequestError(f"data.subset_size={subset_size} is more than the {num_images} images there are: "
                           f"type data.subset_size=null to use all")
    return subset_size


def of_subset(num_images: int, subset_size: int | None) -> list[str]:
    """What a subset leaves out, in words; of data that is all used, nothing"""
    rest = num_images - (num_images if subset_size is None else subset_size)
    return [f"{rest:,} images by data.subset_size={subset_size}"] if rest else []
