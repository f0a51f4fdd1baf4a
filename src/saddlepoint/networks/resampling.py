"""Resampling of maps with the filter 1-3-3-1, which R3GAN and StyleGAN2 share. N images of C maps of H x W places."""

from torch import Tensor, nn
from torch.nn import functional as F


def blurred(maps: Tensor, margin: int) -> Tensor:
    """Filters each map with 1-3-3-1 along both sides, of sum 1, behind a margin of zeros of 1 or 2 places.

    1-3-3-1 is 1-1 three times: of neighbouring places three means are taken. A convolution of every map by itself takes
    several times as long on a CPU, above all where its gradient is differentiated.

    maps [N, C, H, W] -> [N, C, H + 2 margin - 3, W + 2 margin - 3]
    """
    for turn in range(3):
        maps = F.avg_pool2d(maps, 2, stride=1, padding=1 if turn < margin else 0)
    return maps


class Resampling(nn.Module):
    """Maps of twice or half the side, each filtered by itself with 1-3-3-1 along both sides; zeros lie around them.

    Of the three means, the last is of every other place; where the side doubles, each place is repeated instead.
    """

    def __init__(self, doubles: bool):
        super().__init__()
        self.doubles = doubles

    def forward(self, maps: Tensor) -> Tensor:
        """maps [N, C, H, W] -> [N, C, 2H, 2W] if it doubles, else [N, C, H/2, W/2], of even H and W"""
        if self.doubles:
            maps = F.interpolate(maps, scale_factor=2.0, mode="nearest")
        twice = F.avg_pool2d(F.avg_pool2d(maps, 2, stride=1, padding=1), 2, stride=1)
        return twice if self.doubles else F.avg_pool2d(twice, 2)
