"""Decides how many blocks of 64 images pass through a network at once.

One on a CPU: more would not be faster, and the rounding of a convolution may depend on the batch. On a GPU as many as
its memory allows, since a block of 64 small images keeps it busy for less time than its layers take to be called. There
the values of metrics are the same to about 1e-6.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from saddlepoint.game.device_memory import free_bytes

MOST_BLOCKS = 16  # 1,024 images; more make no GPU faster


def joins_blocks(device: torch.device) -> bool:
    return device.type == "cuda"


def bytes_allocated(device: torch.device) -> int:
    """Returns how many bytes torch has ever allocated on a GPU, those that were freed included. Unlike the peak, this
    number need not be reset, so a training's own peak is not touched."""
    return torch.cuda.memory_stats(device)["allocated_bytes.all.allocated"]


def blocks_that_fit(bytes_of_one: int, available: int) -> int:
    """Returns the largest power of two of blocks that fit, from 1 to MOST_BLOCKS."""
    count = min(max(available // max(bytes_of_one, 1), 1), MOST_BLOCKS)
    return 1 << count.bit_length() - 1


class Portion:
    """The number of blocks that a network on a device computes at once. It is one until the first has been measured,
    and stays one if blocks must not be joined."""

    def __init__(self, device: torch.device, may_join: bool = True):
        self.device, self.blocks = device, 1
        self._is_open = may_join and joins_blocks(device)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Surrounds the computation of one portion. After the first, the number of blocks is chosen such that all that
        they allocate fits into half of the free memory, even if nothing of it were freed before the last layer."""
        if not self._is_open:
            yield
            return
        before = bytes_allocated(self.device)
        yield
        self._is_open = False
        spent = bytes_allocated(self.device) - before
        self.blocks = blocks_that_fit(spent, free_bytes(self.device) // 2)
