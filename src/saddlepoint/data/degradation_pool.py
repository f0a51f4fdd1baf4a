"""Batches whose images were degraded in different ways."""

from typing import Any

import torch
from torch import Tensor, nn

from saddlepoint.checks import require


class PairPool(nn.Module):
    """`size` pairs, 180 in the paper: all images of a batch share factors and kinds of noise, so each batch is
    exchanged for as many pairs of earlier ones (the "training pair pool" of Wang et al. 2021, section 4.1,
    https://arxiv.org/abs/2107.10833).

    Until it is full, batches come back as they are. What it holds is saved with the module, in the dtype it was given:
    as uint8 the pool takes a quarter of the memory.
    """

    def __init__(self, size: int = 180):
        super().__init__()
        require(isinstance(size, int) and size >= 1, "size", size, "a whole number of pairs, at least 1")
        self.size = size
        self.high: Tensor | None = None  # [held, C, s*H, s*W]; its shape is that of the first batch
        self.low: Tensor | None = None   # [held, C, H, W]

    def exchange(self, high: Tensor, low: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """high [N, C, s*H, s*W], low [N, C, H, W] of the same N scenes -> as many pairs that belong together"""
        require(len(high) <= self.size, "size", self.size, f"at least the batch's {len(high)} pairs")
        if self.held < self.size:
            self._fill(high, low)
            return high, low
        self.high, self.low = self.high.to(high.device), self.low.to(low.device)  # restored, they are on the CPU
        shuffled = torch.randperm(self.size, device=generator.device, generator=generator)
        places = shuffled[:len(high)].to(high.device)
        drawn = self.high[places], self.low[places]
        self.high[places], self.low[places] = high, low
        return drawn

    @property
    def held(self) -> int:
        return 0 if self.high is None else len(self.high)

    def _fill(self, high: Tensor, low: Tensor) -> None:
        room = self.size - self.held
        self.high = high[:room].clone() if self.high is None else torch.cat((self.high, high[:room]))
        self.low = low[:room].clone() if self.low is None else torch.cat((self.low, low[:room]))

    def get_extra_state(self) -> dict[str, Tensor]:
        """Not buffers: those cannot be loaded into a pool that has not seen its first batch."""
        return {} if self.high is None else {"high": self.high, "low": self.low}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.high, self.low = state.get("high"), state.get("low")
        if self.high is not None:
            self.high, self.low = self.high.clone(), self.low.clone()
