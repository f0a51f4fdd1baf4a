"""The residual networks of WGAN-GP and SNGAN for CIFAR-10, which have the same layers.

WGAN-GP: Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028 (width 128, mean pooling).
SNGAN: Miyato et al. 2018, https://arxiv.org/abs/1802.05957 (G 256 wide, sum pooling; its spectral norm
is a trick here, `trick=[spectral_norm]`, not part of the network).

N images of C channels and H x W pixels. At 32x32 these are the papers' networks. Each other size has more or fewer
resampling blocks. Above 32x32 the number of maps halves whenever their side doubles, so that no block takes much longer
than the one at 32x32.

A 1x1 convolution commutes with nearest upsampling and with mean pooling. So every shortcut convolves at the smaller
size, whatever the order in the paper, which computes the same function with a quarter of the work.
"""

import functools
import math
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import Count, ImageSize, one_of
from saddlepoint.networks.attention import SelfAttention, require_attention_at
from saddlepoint.networks.conditioning import normalization_of
from saddlepoint.networks.initialisation import he, xavier
from saddlepoint.networks.layers import (
    FirstMaps,
    GeneratorNormalization,
    Labelled,
    Normalization,
    OutputActivation,
    ReadsLabels,
    activation_of_output,
    apply_layer,
    doublings,
    map_normalization,
    outputs_of_each,
    require_normalization,
)
from saddlepoint.networks.minibatch import Comparison, Discrimination, Group

# For the 3x3 convolutions of residuals; every other layer is Xavier-uniform with gain 1. The two differ only where a
# convolution changes the number of maps. `xavier` is that of both papers' code (WGAN-GP's calls it He, but divides by
# the mean of fan_in and fan_out); `he` divides by fan_in.
INITIALISATIONS = {"xavier": functools.partial(xavier, gain=math.sqrt(2)), "he": he}
Initialisation = Annotated[str, one_of(*INITIALISATIONS)]
POOLINGS = {"mean": torch.mean, "sum": torch.sum}


class Residual(ReadsLabels):
    """A block: residual(maps) + shortcut(maps), of which the residual may read labels."""

    def __init__(self, residual: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.residual, self.shortcut = residual, shortcut

    def forward(self, maps: Tensor, labels: Tensor | None = None) -> Tensor:
        return apply_layer(self.residual, maps, labels) + self.shortcut(maps)


def _convolution(inputs: int, outputs: int, kernel_size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)


def _upsample() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="nearest")


def up_block(inputs: int, outputs: int, normalization: str, num_classes: int = 0) -> Residual:
    """Returns a block of G, [N, inputs, s, s] -> [N, outputs, 2s, 2s]; with `num_classes` it normalises by class."""
    return Residual(
        Labelled(*normalization_of(normalization, inputs, num_classes), nn.ReLU(), _upsample(),
                 _convolution(inputs, outputs, 3),
                 *normalization_of(normalization, outputs, num_classes), nn.ReLU(), _convolution(outputs, outputs, 3)),
        shortcut=nn.Sequential(_convolution(inputs, outputs, 1), _upsample()))


def first_block(channels: int, outputs: int) -> Residual:
    """Returns D's first block, [N, C, H, W] -> [N, outputs, H/2, W/2], without ReLU or normalisation of the image."""
    return Residual(
        nn.Sequential(_convolution(channels, outputs, 3), nn.ReLU(), _convolution(outputs, outputs, 3),
                      nn.AvgPool2d(2)),
        shortcut=nn.Sequential(nn.AvgPool2d(2), _convolution(channels, outputs, 1)))


def _preactivated(inputs: int, outputs: int, normalization: str) -> list[nn.Module]:
    return [*map_normalization(normalization, inputs), nn.ReLU(), _convolution(inputs, inputs, 3),
            *map_normalization(normalization, inputs), nn.ReLU(), _convolution(inputs, outputs, 3)]


def down_block(inputs: int, outputs: int, normalization: str) -> Residual:
    """Returns a block of D that halves maps, [N, inputs, 2s, 2s] -> [N, outputs, s, s]."""
    return Residual(nn.Sequential(*_preactivated(inputs, outputs, normalization), nn.AvgPool2d(2)),
                    shortcut=nn.Sequential(nn.AvgPool2d(2), _convolution(inputs, outputs, 1)))


def same_block(maps: int, normalization: str) -> Residual:
    """Returns a block of D that keeps the number and size of its maps."""
    return Residual(nn.Sequential(*_preactivated(maps, maps, normalization)), shortcut=nn.Identity())


def _maps(width: int, side: int) -> int:
    """Returns the number of maps of `side` x `side` pixels, or of other maps that were doubled as often."""
    return width * 32 // max(side, 32)


def _check(player: str, width: int, image_size: ImageSize, normalization: str, initialisation: str) -> None:
    require_whole_numbers({f"model.{player}.width": width})
    step = max(_side(image_size) // 32, 1)
    require(width % step == 0, f"model.{player}.width", width,
            f"a multiple of {step} at data.image_size={sides_of(image_size)}")
    require_normalization(player, normalization)
    require(initialisation in INITIALISATIONS, f"model.{player}.initialisation", initialisation, "xavier or he")


def _side(image_size: ImageSize) -> int:
    """Returns the side of the squares that are halved as often as images of this size."""
    return 4 * 2**doublings(image_size)[0]


def _initialise(network: nn.Module, initialisation: str) -> None:
    xavier(network)
    for block in network.modules():
        if isinstance(block, Residual):
            INITIALISATIONS[initialisation](block.residual)


class UpsamplingResNet(nn.Module):
    """Maps of 4x4 pixels from the latents, a block for each doubling, a 3x3 convolution to the image, tanh.

    With `num_classes` above 0 the blocks normalise by class, but not the layers after them, as in both papers' code.

    num_classes: K, 0 for a network that ignores labels
    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps in blocks of up to 32x32 pixels, 1 or more, a multiple of 2 above, of 4 from 128x128 on, of 8 at 256x256
    normalization: none, batch, layer, instance or virtual_batch
    initialisation: of the residuals, xavier or he
    attention_at: pixels, the side of the maps that get self-attention, those behind a block; None for none (SAGAN: 16)
    output_activation: tanh, for images in [-1, 1], or none, for any numbers
    """

    def __init__(self, num_classes: int, /, latent_dim: Count, channels: Count, image_size: ImageSize,
                 width: Count = 128, normalization: GeneratorNormalization = "batch",
                 initialisation: Initialisation = "xavier", attention_at: Count | None = None,
                 output_activation: OutputActivation = "tanh"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        levels, smallest = doublings(image_size)
        sides = [4 * 2**level for level in range(levels + 1)]  # of squares
        _check("generator", width, image_size, normalization, initialisation)
        require_attention_at("generator", attention_at, sides[1:])
        self.latent_dim = latent_dim
        self.first = FirstMaps(latent_dim, width, bias=True, sides=smallest)
        blocks = [up_block(_maps(width, side), _maps(width, 2 * side), normalization, num_classes)
                  for side in sides[:-1]]
        self.blocks = Labelled(*(Labelled(block, SelfAttention(_maps(width, 2 * side)))
                                 if 2 * side == attention_at else block
                                 for side, block in zip(sides[:-1], blocks, strict=True)))
        last = _maps(width, sides[-1])
        self.image = nn.Sequential(*map_normalization(normalization, last), nn.ReLU(), _convolution(last, channels, 3),
                                   *activation_of_output(output_activation))
        self.output_activation = output_activation
        _initialise(self, initialisation)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W], in [-1, 1] with tanh"""
        return self.image(self.blocks(self.first(latents), labels))

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]


class ResNetGenerator(UpsamplingResNet):
    """A residual generator that ignores labels. `more`: settings of UpsamplingResNet."""

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, **more):
        super().__init__(0, latent_dim, channels, image_size, **more)


class ResNetDiscriminator(nn.Module):
    """A block for each halving down to 8x8 pixels, two blocks at that size, ReLU, pooling of all pixels, a logit.

    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps in blocks of up to 32x32 pixels, 1 or more, a multiple of 2 above, of 4 from 128x128 on, of 8 at 256x256
    normalization: none (both papers), batch, layer or instance, before each ReLU of every block but the first
    pooling: mean (WGAN-GP) or sum (SNGAN)
    initialisation: of the residuals, xavier or he
    attention_at: pixels, the side of the maps that get self-attention, those behind a block that halves them; None for
        none (SAGAN: 16)
    minibatch_discrimination: {kernels, dimensions} of minibatch.MinibatchDiscrimination; None: without
    minibatch_stddev: images in a group of minibatch.MinibatchDeviation, 2 or more; None: without
    """

    def __init__(self, channels: Count, image_size: ImageSize, width: Count = 128,
                 normalization: Normalization = "none", pooling: Annotated[str, one_of(*POOLINGS)] = "mean",
                 initialisation: Initialisation = "xavier", attention_at: Count | None = None,
                 minibatch_discrimination: Discrimination = None, minibatch_stddev: Group = None):
        super().__init__()
        require_whole_numbers({"data.channels": channels})
        sides = [_side(image_size) // 2**level for level in range(doublings(image_size)[0] - 1)]  # which blocks halve
        _check("discriminator", width, image_size, normalization, initialisation)
        require(pooling in POOLINGS, "model.discriminator.pooling", pooling, "mean or sum")
        require_attention_at("discriminator", attention_at, [side // 2 for side in sides])
        self.pooling = pooling
        halving = [first_block(channels, _maps(width, sides[0])),
                   *(down_block(_maps(width, 2 * side), _maps(width, side), normalization) for side in sides[1:])]
        self.blocks = nn.Sequential(
            *(nn.Sequential(block, SelfAttention(_maps(width, side))) if side // 2 == attention_at else block
              for side, block in zip(sides, halving, strict=True)),
            same_block(width, normalization), same_block(width, normalization))
        self.comparing, numbers = Comparison(minibatch_discrimination, minibatch_stddev).layers(width)
        self.logit = nn.Linear(numbers, 1)
        _initialise(self, initialisation)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.pooled(images)).squeeze(1)

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]

    def pooled(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> pooled features [N, width], and what is appended to them; the logit is a linear
        function of these"""
        return self.comparing(POOLINGS[self.pooling](torch.relu(self.blocks(images)), dim=(2, 3)))

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> the outputs of all blocks, the last two [N, width, 8, 8]"""
        return outputs_of_each(self.blocks, images)
