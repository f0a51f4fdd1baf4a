"""RRDBNet, the generator of ESRGAN (Wang et al. 2018, section 3.1, https://arxiv.org/abs/1809.00219) and Real-ESRGAN.

Scales 2 and 1 are those of Real-ESRGAN: Wang et al. 2021, section 3.4, https://arxiv.org/abs/2107.10833. Files of the
first ESRGAN and of BSRGAN reach other scales with fewer or more doublings. Parameters have BasicSR's names, so that its
files can be loaded.

N images of C channels and H x W pixels in [0, 1], upscaled `scale` times; W_f = `width` feature maps. There is no
normalisation, and the output is not bounded.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.rules import Count

FOLDS = {4: 1, 2: 2, 1: 4}  # scale -> side of the squares of pixels that become channels before the first layer
DOUBLINGS = {1: 0, 2: 1, 4: 2, 8: 3}  # by scale, where no pixels are folded
RESIDUAL_SCALE = 0.2
NEGATIVE_SLOPE = 0.2
ONE_KERNEL = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def start_small(network: nn.Module) -> None:
    """Draws Kaiming-normal weights times 0.1, and biases of 0, so that a residual network starts near the identity.

    Wang et al. 2018, section 3.1; 0.1 and the zeros from its code.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
            with torch.no_grad():
                layer.weight.mul_(0.1)


def _activated(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """Returns leaky_relu(layer(maps)).

    In torch.inference_mode() on a CPU, one oneDNN kernel computes both and writes each map once: the numbers are the
    same, and it takes a tenth less time. torch.compile uses the same operator, and cannot follow the question.
    """
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled() and ONE_KERNEL and maps.is_cpu and (
            maps.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")):
        return torch.ops.mkldnn._convolution_pointwise(
            maps, layer.weight, layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups, "leaky_relu",
            [NEGATIVE_SLOPE], "")
    return F.leaky_relu(layer(maps), NEGATIVE_SLOPE, inplace=True)


class DenseBlock(nn.Module):
    """maps + 0.2 * conv5(dense), dense being the maps and `growth` more from each of the four convolutions before."""

    def __init__(self, width: int, growth: int):
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            _convolution(width + grown * growth, growth) for grown in range(4))
        self.conv5 = _convolution(width + 4 * growth, width)
        start_small(self)

    def forward(self, maps: Tensor) -> Tensor:
        """maps [N, W_f, H, W] -> [N, W_f, H, W]"""
        dense = maps
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            dense = torch.cat((dense, _activated(layer, dense)), dim=1)
        return torch.add(maps, self.conv5(dense), alpha=RESIDUAL_SCALE)


class ResidualInResidual(nn.Module):
    """maps + 0.2 * (three dense blocks, one after the other)"""

    def __init__(self, width: int, growth: int):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(width, growth) for _ in range(3))

    def forward(self, maps: Tensor) -> Tensor:
        """maps [N, W_f, H, W] -> [N, W_f, H, W]"""
        return torch.add(maps, self.rdb3(self.rdb2(self.rdb1(maps))), alpha=RESIDUAL_SCALE)


class RRDBNet(nn.Module):
    """Dense blocks at the size of the input, then two doublings (nearest pixel, convolution).

    For scale 2 (or 1) each square of 2x2 (or 4x4) pixels first becomes the channels of one pixel, so the sides of the
    input must be a multiple of 2 (or 4). Only the dense blocks have the small first weights of `start_small`.

    channels: of the images, 1 or more
    scale: upscaling factor, 4, 2 or 1
    width: W_f, maps between the dense blocks, 1 or more
    growth: maps that each convolution of a dense block adds, 1 or more
    num_blocks: residual-in-residual blocks of three dense blocks each, 1 or more
    """

    def __init__(self, channels: Count = 3, scale: Count = 4, width: Count = 64, growth: Count = 32,
                 num_blocks: Count = 23):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.generator.width": width,
                               "model.generator.growth": growth, "model.generator.num_blocks": num_blocks})
        self.channels, self.scale = channels, scale
        self.multiple, self.doublings = self.fold_and_doublings(scale)
        self.receptive_field = _receptive_field(num_blocks, self.multiple)
        self.conv_first = _convolution(channels * self.multiple**2, width)
        self.body = nn.Sequential(*(ResidualInResidual(width, growth) for _ in range(num_blocks)))
        self.conv_body = _convolution(width, width)
        for number in range(1, self.doublings + 1):
            self.add_module(f"conv_up{number}", _convolution(width, width))
        self.conv_hr, self.conv_last = _convolution(width, width), _convolution(width, channels)

    @staticmethod
    def fold_and_doublings(scale: int) -> tuple[int, int]:
        """Returns the side of the squares of pixels that become channels, and the number of doublings."""
        require(scale in FOLDS, "data.scale", scale, "4, 2 or 1 for RRDBNet")
        return FOLDS[scale], 2

    def forward(self, low: Tensor) -> Tensor:
        """low [N, C, H, W] in [0, 1] -> high [N, C, s*H, s*W], around [0, 1] but not clamped"""
        if low.shape[-2] % self.multiple or low.shape[-1] % self.multiple:
            raise ValueError(f"an image of {low.shape[-2]} x {low.shape[-1]} pixels cannot go through RRDBNet of scale "
                             f"{self.scale}: both sides must be a multiple of {self.multiple}, so pad it first")
        maps = self.conv_first(F.pixel_unshuffle(low, self.multiple))
        if maps.device.type == "cpu":  # concatenations and convolutions in this layout take a quarter less time there
            maps = maps.contiguous(memory_format=torch.channels_last)
        maps = maps + self.conv_body(self.body(maps))
        for number in range(1, self.doublings + 1):
            layer = self.get_submodule(f"conv_up{number}")
            maps = _activated(layer, F.interpolate(maps, scale_factor=2, mode="nearest"))
        return self.conv_last(_activated(self.conv_hr, maps))


class UnfoldedRRDBNet(RRDBNet):
    """RRDBNet with log2(scale) doublings after the dense blocks, and no pixels folded before them.

    The first ESRGAN (https://github.com/xinntao/ESRGAN) and BSRGAN reach scales other than 4 in this way.
    """

    @staticmethod
    def fold_and_doublings(scale: int) -> tuple[int, int]:
        require(scale in DOUBLINGS, "data.scale", scale, f"one of {', '.join(map(str, DOUBLINGS))} for UnfoldedRRDBNet")
        return 1, DOUBLINGS[scale]


def _receptive_field(num_blocks: int, fold: int) -> int:
    """Returns the largest distance, in input pixels, at which an input pixel can change the outputs of another.

    At the size of the dense blocks each 3x3 convolution reaches one place further: 1 + 15 num_blocks + 1. An output
    pixel p (four to a place) depends on the places under p - 3 to p + 3, through the three convolutions at its own
    size, and half a place further through the convolution at half its size. That is 2 places for every p, and for any
    other number of doublings too. A place has `fold` pixels, and the distance is from the last pixel of one place to
    the far edge of the other.
    """
    return fold * (15 * num_blocks + 4)
