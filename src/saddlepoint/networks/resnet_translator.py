"""The generator of CycleGAN. N images of K channels (the source) or C channels (the target), H x W pixels."""

from itertools import pairwise

from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.networks import initialisation
from saddlepoint.networks.translation_layers import (
    Normalization,
    has_bias,
    normalization_layers,
    require_normalization,
)


class ResidualBlock(nn.Module):
    """x + F(x), with F two 3x3 convolutions, of which only the first is rectified."""

    def __init__(self, num_maps: int, normalization: str):
        super().__init__()
        self.change = nn.Sequential(*(layer for place in range(2) for layer in (
            nn.ReflectionPad2d(1), nn.Conv2d(num_maps, num_maps, 3, bias=has_bias(normalization)),
            *normalization_layers(normalization, num_maps), *([] if place else [nn.ReLU(inplace=True)]))))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.change(maps)


class ResNetTranslator(nn.Module):
    """A generator that halves an image twice, changes it in residual blocks and doubles it again (Johnson et al. 2016,
    https://arxiv.org/abs/1603.08155, as Zhu et al. 2017 set it, https://arxiv.org/abs/1703.10593, appendix 7.2, and its
    authors' PyTorch code has it). Images are mirrored at their borders. Weights start from N(0, 0.02).

    channels, source_channels: C and K
    width: maps at full size; twice as many after each halving
    num_blocks: residual blocks; the paper has 6 for 128 x 128 pixels and 9 for 256 x 256
    halvings: the sides of an image must be a multiple of 2^halvings
    normalization: instance: statistics of each image alone, without learned scales
    """

    def __init__(self, channels: Count = 3, source_channels: Count = 3, width: Count = 64, num_blocks: Count = 9,
                 halvings: WholeNumber = 2, normalization: Normalization = "instance"):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "data.source_channels": source_channels,
                               "model.generator.width": width, "model.generator.num_blocks": num_blocks})
        require_normalization(normalization, "generator")
        self.channels, self.source_channels, self.multiple = channels, source_channels, 2**halvings
        maps = [width * 2**level for level in range(halvings + 1)]
        bias = has_bias(normalization)

        def normalized(num_maps: int) -> list[nn.Module]:
            return [*normalization_layers(normalization, num_maps), nn.ReLU(inplace=True)]

        self.layers = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(source_channels, width, 7, bias=bias),
                                    *normalized(width))
        for inputs, outputs in pairwise(maps):
            self.layers.extend([nn.Conv2d(inputs, outputs, 3, 2, 1, bias=bias), *normalized(outputs)])
        self.layers.extend(ResidualBlock(maps[-1], normalization) for _ in range(num_blocks))
        for inputs, outputs in pairwise(reversed(maps)):
            self.layers.extend([nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1, bias=bias),
                                *normalized(outputs)])
        self.layers.extend([nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh()])
        initialisation.normal(self)

    def forward(self, source: Tensor, labels: Tensor) -> Tensor:
        """source [N, K, H, W], labels [N] (ignored) -> images [N, C, H, W] in [-1, 1]"""
        return self.layers(source)
