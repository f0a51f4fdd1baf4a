"""The generator of pix2pix, a U-Net. N images of K channels (the source) or C channels (the target), H x W pixels."""

from itertools import pairwise
from math import gcd
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import BelowOne, Count, ImageSize, WholeNumber, integer, optional
from saddlepoint.networks import initialisation
from saddlepoint.networks.layers import sides_over
from saddlepoint.networks.translation_layers import (
    Normalization,
    has_bias,
    normalization_layers,
    require_normalization,
)

NEGATIVE_SLOPE = 0.2
MOST_LEVELS = 8  # the paper's, for 256 x 256 pixels


class UNet(nn.Module):
    """A U-Net that halves an image until a side is odd, 256 x 256 pixels until one is left, and doubles it again. Each
    doubling is also given the maps of its size from before the halving, so that edges need not pass through the middle.

    Isola et al. 2017, section 3.2 and appendix 6.1, https://arxiv.org/abs/1611.07004, as in its authors' PyTorch code:
    4x4 convolutions of stride 2, with width, 2 width, 4 width and then 8 width maps; neither the first, the innermost
    nor the last convolution is normalised. Its only noise is dropout. Weights start from N(0, 0.02).

    channels, source_channels: C and K
    image_size: pixels a side, or [H, W], from which `levels` follows; the network takes every size that is a multiple
        of 2^levels
    width: maps of the first level
    levels: halvings, at least 2; None: as many as both sides allow, at most 8
    normalization: instance: statistics of each image alone, without learned scales
    dropout: probability that a map is dropped in the innermost doublings after the first
    dropout_levels: number of these doublings
    """

    def __init__(self, channels: Count = 3, source_channels: Count = 3, image_size: ImageSize = 256, width: Count = 64,
                 levels: Annotated[int | None, optional(integer(2))] = None,
                 normalization: Normalization = "batch", dropout: BelowOne = 0.5,
                 dropout_levels: WholeNumber = 3):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "data.source_channels": source_channels,
                               "model.generator.width": width})
        require_normalization(normalization, "generator")
        require(0 <= dropout < 1, "model.generator.dropout", dropout, FRACTION)
        levels = levels or halvings(image_size)
        sides_over(image_size, 2**max(levels, 2), "this generator")
        self.channels, self.source_channels, self.multiple = channels, source_channels, 2**levels
        maps = [width * min(2**level, 8) for level in range(levels)]

        bias = has_bias(normalization)
        self.halvings = nn.ModuleList([nn.Conv2d(source_channels, maps[0], 4, 2, 1, bias=bias)])
        for inputs, outputs in pairwise(maps):
            innermost = len(self.halvings) == levels - 1
            # In place, although the skip connection reads the same maps: they are rectified there, with the same result
            self.halvings.append(nn.Sequential(
                nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True), nn.Conv2d(inputs, outputs, 4, 2, 1, bias=bias),
                *([] if innermost else normalization_layers(normalization, outputs))))
        self.doublings = nn.ModuleList()
        for place, (inputs, outputs) in enumerate(pairwise([*reversed(maps), channels])):
            last = place == levels - 1
            self.doublings.append(nn.Sequential(
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(inputs if place == 0 else 2 * inputs, outputs, 4, 2, 1, bias=bias or last),
                *([nn.Tanh()] if last else normalization_layers(normalization, outputs)),
                *([nn.Dropout(dropout)] if dropout and 1 <= place <= dropout_levels and not last else [])))
        initialisation.normal(self)

    def forward(self, source: Tensor, labels: Tensor) -> Tensor:
        """source [N, K, H, W], labels [N] (ignored) -> images [N, C, H, W] in [-1, 1]"""
        skipped = [source]
        for halve in self.halvings:
            skipped.append(halve(skipped[-1]))
        maps = self.doublings[0](skipped.pop())
        for double in self.doublings[1:]:
            maps = double(torch.cat([skipped.pop(), maps], dim=1))
        return maps


def halvings(image_size: ImageSize) -> int:
    """Returns how often both sides of an image can be halved without a remainder, at most 8 times."""
    divisor = gcd(*sides_of(image_size))
    trailing_zeros = (divisor & -divisor).bit_length() - 1
    return min(trailing_zeros, MOST_LEVELS)
