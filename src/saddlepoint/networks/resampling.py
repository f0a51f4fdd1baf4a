"""Resampling of maps with the filter 1-3-3-1, which R3GAN and StyleGAN2 share. N images of C maps of H x W places.

1-3-3-1 is 1-1 three times: of neighbouring places three means are taken, with zeros around them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.config.image_sizes import Sides

Change = Callable[[Tensor], Tensor]


def _means(places: Tensor, padding: int = 0) -> Tensor:
    """[rows, L] -> the means of neighbours in each row, [rows, L - 1 + 2 padding]"""
    return F.avg_pool1d(places, 2, stride=1, padding=padding)


def _doubled(places: Tensor) -> Tensor:
    return _means(_means(places.repeat_interleave(2, 1), padding=1))


def _halved(places: Tensor) -> Tensor:
    return F.avg_pool1d(_means(_means(places, padding=1)), 2)


class AlongBothSides(nn.Module):
    """Changes the columns and the rows of maps alike, by a linear change that is applied as two products with matrices.

    On a CPU these take a quarter of the time of pooling, or of a convolution of every map by itself, above all where
    their gradient is differentiated.

    sides: H and W of the maps
    change: [rows, L] -> [rows, L'], linear in each row
    """

    def __init__(self, sides: Sides, change: Change):
        super().__init__()
        for name, side in zip(("down", "across"), sides, strict=True):
            self.register_buffer(name, change(torch.eye(side)).T.contiguous(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """maps [N, C, H, W] -> [N, C, H', W']"""
        down, across = self.down.to(maps.dtype), self.across.to(maps.dtype)
        if not maps.is_contiguous(memory_format=torch.channels_last):
            return down @ maps @ across.T
        count, channels, height, width = maps.shape
        columns = down @ maps.permute(0, 2, 3, 1).reshape(count, height, width * channels)  # [N, H', W C]
        rows = across @ columns.view(count * len(down), width, channels)
        return rows.view(count, len(down), len(across), channels).permute(0, 3, 1, 2)


class Doubling(AlongBothSides):
    """Maps of twice the side: each place is repeated before the filter, whose sum is 1."""

    def __init__(self, sides: Sides):
        super().__init__(sides, _doubled)


class Halving(AlongBothSides):
    """Maps of half the side, of even H and W: the last mean is of every other place."""

    def __init__(self, sides: Sides):
        super().__init__(sides, _halved)


class Blur(AlongBothSides):
    """Filters maps behind a margin of zeros, [N, C, H, W] -> [N, C, H + 2 margin - 3, W + 2 margin - 3].

    sides: H and W
    margin: places, 1 or 2
    gain: what the filter is multiplied by along each side, whose sum is 1 else
    """

    def __init__(self, sides: Sides, margin: int, gain: float = 1.0):
        super().__init__(sides, lambda places: gain * _means(_means(_means(places, 1), margin - 1)))
