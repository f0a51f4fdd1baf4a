"""A pool of training pairs, which mixes images that were degraded in different ways into one batch."""

from typing import Any

import torch
from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.game.device_memory import upload


class PairPool(nn.Module):
    """Real-ESRGAN's "training pair pool" (Wang et al. 2021, section 4.1, https://arxiv.org/abs/2107.10833). Each batch
    is exchanged for as many random pairs of earlier batches.

    In the paper all images of a batch share the factors and the kinds of noise of their degradation, and the pool mixes
    them. Until it is full, batches come back as they are. Its pairs keep their dtype, uint8 taking a quarter of the
    memory, and are saved with the module.

    size: pairs in the pool, at least those of a batch; 180 in the paper
    """

    def __init__(self, size: int = 180):
        super().__init__()
        require(isinstance(size, int) and size >= 1, "size", size, "a whole number of pairs, at least 1")
        self.size = size
        self.high: Tensor | None = None  # [num_pairs, C, s*H, s*W]; the first batch decides the sizes
        self.low: Tensor | None = None   # [num_pairs, C, H, W]

    def exchange(self, high: Tensor, low: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Puts N pairs, high [N, C, s*H, s*W] and low [N, C, H, W], into the pool and returns N pairs drawn from it."""
        require(len(high) <= self.size, "size", self.size, f"at least the batch's {len(high)} pairs")
        if self.num_pairs < self.size:
            self._fill(high, low)
            return high, low
        self.high, self.low = self.high.to(high.device), self.low.to(low.device)  # restored, they are on the CPU
        shuffled = torch.randperm(self.size, device=generator.device, generator=generator)
        places = upload(shuffled[:len(high)], high.device)
        drawn = self.high[places], self.low[places]
        self.high[places], self.low[places] = high, low
        return drawn

    @property
    def num_pairs(self) -> int:
        return 0 if self.high is None else len(self.high)

    def _fill(self, high: Tensor, low: Tensor) -> None:
        room = self.size - self.num_pairs
        self.high = high[:room].clone() if self.high is None else torch.cat((self.high, high[:room]))
        self.low = low[:room].clone() if self.low is None else torch.cat((self.low, low[:room]))

    def get_extra_state(self) -> dict[str, Tensor]:
        """Returns the pairs. They are no buffers, since buffers cannot be loaded into a pool without a first batch."""
        return {} if self.high is None else {"high": self.high, "low": self.low}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.high, self.low = state.get("high"), state.get("low")
        if self.high is not None:
            self.high, self.low = self.high.clone(), self.low.clone()
