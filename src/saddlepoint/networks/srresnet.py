"""SRResNet, the generator of SRGAN, and MSRResNet, BasicSR's version of it without BatchNorm.

Ledig et al. 2017, section 2.1, https://arxiv.org/abs/1609.04802. MSRResNet has BasicSR's parameter names.

N images of C channels and H x W pixels in [0, 1], upscaled s = `scale` times; `width` maps in every layer.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.rules import Count, one_of
from saddlepoint.networks.layers import map_normalization
from saddlepoint.networks.rrdb import start_small

NORMALIZATIONS = ("batch", "none")  # statistics of layer and instance are of a whole image, and a tile has others
MSR_SCALES = (2, 3, 4)
MSR_NEGATIVE_SLOPE = 0.1


def _convolution(inputs: int, outputs: int, kernel_size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)


def _shuffled(width: int, factor: int) -> nn.Sequential:
    return nn.Sequential(_convolution(width, width * factor**2), nn.PixelShuffle(factor), nn.PReLU())


def _transposed(width: int, factor: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(width, width, factor + 2, stride=factor, padding=1), nn.PReLU())


def _read_by_shuffled(first: int, last: int, factor: int) -> tuple[int, int]:
    """Returns the first and last input on which outputs `first` to `last` of a shuffled 3x3 convolution depend."""
    return first // factor - 1, last // factor + 1


def _read_by_transposed(first: int, last: int, factor: int) -> tuple[int, int]:
    """Returns the same for a transposed convolution; its input i writes outputs i * factor - 1 to (i + 1) * factor."""
    return -((factor - first) // factor), (last + 1) // factor


UPSAMPLINGS = {"pixel_shuffle": (_shuffled, _read_by_shuffled), "transposed": (_transposed, _read_by_transposed)}


def _reach(factors: Sequence[int], after: int, read: Callable[[int, int, int], tuple[int, int]]) -> int:
    """Returns the reach in input pixels of upsampling by each factor and convolutions of `after` pixels' reach."""
    scale = 1
    for factor in factors:
        scale *= factor
    first, last = -after, scale - 1 + after
    for factor in reversed(factors):
        first, last = read(first, last, factor)
    return max(-first, last)


class _Residual(nn.Sequential):
    """maps + (its layers, one after the other)"""

    def forward(self, maps: Tensor) -> Tensor:
        return maps + super().forward(maps)


def _block(width: int, normalization: str) -> _Residual:
    return _Residual(_convolution(width, width), *map_normalization(normalization, width), nn.PReLU(),
                     _convolution(width, width), *map_normalization(normalization, width))


class SRResNet(nn.Module):
    """A 9x9 convolution, residual blocks with a skip around all of them, upsampling by factors of 2 (or 3), a 9x9
    convolution. Every PReLU has one slope. The output is linear, since the paper mentions no tanh.

    The paper has BatchNorm and pixel shuffling, and images in [-1, 1]; here input and output are in [0, 1].

    channels: of the images, 1 or more
    scale: upscaling factor, 3 or a power of two from 2
    width: maps in every layer, 1 or more
    num_blocks: residual blocks, 1 or more
    upsampling: pixel_shuffle, or transposed for transposed convolutions of 4x4 pixels (5x5 for factor 3)
    normalization: batch or none
    skip: adds the bilinearly enlarged input to the output, as MSRResNet does, so that the layers learn details only
    """

    def __init__(self, channels: Count = 3, scale: Count = 4, width: Count = 64, num_blocks: Count = 16,
                 upsampling: Annotated[str, one_of(*UPSAMPLINGS)] = "pixel_shuffle",
                 normalization: Annotated[str, one_of(*NORMALIZATIONS)] = "batch", skip: bool = False):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "data.scale": scale, "model.generator.width": width,
                               "model.generator.num_blocks": num_blocks})
        require(scale == 3 or scale > 1 and scale.bit_count() == 1, "data.scale", scale,
                "3 or a power of two from 2 for SRResNet")
        require(upsampling in UPSAMPLINGS, "model.generator.upsampling", upsampling, "one of " + ", ".join(UPSAMPLINGS))
        require(normalization in NORMALIZATIONS, "model.generator.normalization", normalization,
                "batch (the paper) or none")
        self.channels, self.scale, self.multiple, self.skip = channels, scale, 1, skip
        factors = [3] if scale == 3 else [2] * (scale.bit_length() - 1)
        upsample, read = UPSAMPLINGS[upsampling]
        self.receptive_field = 4 + 2 * num_blocks + 1 + _reach(factors, after=4, read=read)
        self.first = nn.Sequential(_convolution(channels, width, 9), nn.PReLU())
        self.body = _Residual(*(_block(width, normalization) for _ in range(num_blocks)),
                              _convolution(width, width), *map_normalization(normalization, width))
        self.upsampling = nn.Sequential(*(upsample(width, factor) for factor in factors))
        self.last = _convolution(width, channels, 9)

    def forward(self, low: Tensor) -> Tensor:
        """low [N, C, H, W] in [0, 1] -> high [N, C, s*H, s*W], around [0, 1] but not clamped"""
        high = self.last(self.upsampling(self.body(self.first(low))))
        return high + _bilinear(low, self.scale) if self.skip else high


class _PlainBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.conv2 = _convolution(width, width), _convolution(width, width)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv2(F.relu(self.conv1(maps), inplace=True))


class MSRResNet(nn.Module):
    """3x3 convolutions without normalisation, whose output is added to the bilinearly enlarged input."""

    def __init__(self, channels: int = 3, scale: int = 4, width: int = 64, num_blocks: int = 16):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.generator.width": width,
                               "model.generator.num_blocks": num_blocks})
        require(scale in MSR_SCALES, "data.scale", scale, "2, 3 or 4 for MSRResNet")
        self.channels, self.scale, self.multiple = channels, scale, 1
        factors = [2, 2] if scale == 4 else [scale]
        self.receptive_field = 1 + 2 * num_blocks + _reach(factors, after=2, read=_read_by_shuffled)
        self.conv_first = _convolution(channels, width)
        self.body = nn.Sequential(*(_PlainBlock(width) for _ in range(num_blocks)))
        self.shuffle = nn.PixelShuffle(factors[0])
        self.upconv1 = _convolution(width, width * factors[0]**2)
        if scale == 4:
            self.upconv2 = _convolution(width, width * 4)
        self.conv_hr, self.conv_last = _convolution(width, width), _convolution(width, channels)
        start_small(self)

    def forward(self, low: Tensor) -> Tensor:
        """low [N, C, H, W] in [0, 1] -> high [N, C, s*H, s*W], around [0, 1] but not clamped"""
        maps = self.body(_activated(self.conv_first(low)))
        maps = _activated(self.shuffle(self.upconv1(maps)))
        if self.scale == 4:
            maps = _activated(self.shuffle(self.upconv2(maps)))
        residual = self.conv_last(_activated(self.conv_hr(maps)))
        return residual + _bilinear(low, self.scale)


def _bilinear(low: Tensor, scale: int) -> Tensor:
    return F.interpolate(low, scale_factor=scale, mode="bilinear", align_corners=False)


def _activated(maps: Tensor) -> Tensor:
    return F.leaky_relu(maps, MSR_NEGATIVE_SLOPE, inplace=True)
