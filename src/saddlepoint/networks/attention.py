"""Self-attention over the places of maps (Zhang et al. 2019, https://arxiv.org/abs/1805.08318, section 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require

REDUCTION = 8  # maps for each of a query and a key; values have half of the maps


class SelfAttention(nn.Module):
    """maps + scale * what each place takes from all others, with a learned scale that is 0 at the start.

    Keys and values are of a quarter of the places, each the maximum of 2x2, as in the public code of the paper and of
    BigGAN; equation 1 of the paper has all. All four layers are 1x1 convolutions without biases.
    """

    def __init__(self, maps: int):
        super().__init__()
        self.query, self.key = (nn.Conv2d(maps, max(maps // REDUCTION, 1), 1, bias=False) for _ in range(2))
        self.value = nn.Conv2d(maps, max(maps // 2, 1), 1, bias=False)
        self.output = nn.Conv2d(self.value.out_channels, maps, 1, bias=False)
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """maps [N, C, H, W], of even H and W -> [N, C, H, W]"""
        queries = self.query(maps).flatten(2)                      # [N, C/8, places]
        keys = F.max_pool2d(self.key(maps), 2).flatten(2)          # [N, C/8, places/4]
        values = F.max_pool2d(self.value(maps), 2).flatten(2)      # [N, C/2, places/4]
        shares = torch.bmm(queries.transpose(1, 2), keys).softmax(2)
        taken = torch.bmm(values, shares.transpose(1, 2)).unflatten(2, maps.shape[2:])
        return torch.addcmul(maps, self.scale, self.output(taken))


def require_attention_at(player: str, attention_at: int | None, sides: Sequence[int]) -> None:
    """Refuses a side of maps after which no block ends, with a ValueError; None is no attention."""
    *others, last = map(str, sides)
    choices = f"{', '.join(others)} or {last}" if others else last
    setting, nearest = f"model.{player}.attention_at", min(sides, key=lambda side: abs(side - (attention_at or side)))
    require(attention_at is None or attention_at in sides, setting, attention_at,
            f"the side of maps between two blocks, which is {choices} for images of this size, or null for none: type "
            f"{setting}={nearest}")
