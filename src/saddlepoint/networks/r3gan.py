"""The networks of R3GAN (Huang et al. 2024, https://arxiv.org/abs/2501.05441, section 4): residual blocks of grouped
convolutions, without normalisation. They are made for `loss=relativistic 'trick=[r1,r2,ema]'`.

N images of C channels and H x W pixels, K classes. The convolutions of a block have their biases in front of the leaky
ReLU that follows; no other layer has any. A network of one width at all sizes is that of the paper's presets for images
of up to 32 pixels; beyond, the paper's halve it with each doubling, or keep it up to 64 pixels.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import Count, ImageSize, WholeNumber
from saddlepoint.networks.layers import (
    OutputActivation,
    activation_of_output,
    doublings,
    outputs_of_each,
    require_classes,
)
from saddlepoint.networks.resampling import Doubling, Halving

SLOPE = 0.2  # of leaky ReLU below 0
BLOCK_LAYERS = 3  # convolutions of a block


class Block(nn.Module):
    """maps + a 1x1, a grouped 3x3 and a 1x1 convolution of them, [N, width, H, W] -> the same shape.

    width: maps, of which the block makes twice as many inside; group: of these in a group of the 3x3 convolution
    """

    def __init__(self, width: int, group: int):
        super().__init__()
        inside = 2 * width
        self.widen = nn.Conv2d(width, inside, 1)
        self.mix = nn.Conv2d(inside, inside, 3, padding=1, groups=max(inside // group, 1))
        self.narrow = nn.Conv2d(inside, width, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.widen(maps), SLOPE, inplace=True)
        return maps + self.narrow(F.leaky_relu(self.mix(hidden), SLOPE, inplace=True))


class Basis(nn.Module):
    """The first maps of G: a learned map of each channel, times a linear function of the vector."""

    def __init__(self, inputs: int, width: int, sides: Sides):
        super().__init__()
        self.maps = nn.Parameter(torch.empty(width, *sides))
        self.scales = nn.Linear(inputs, width, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """vectors [N, inputs] -> maps [N, width, h, w], in channels_last order, fastest for the convolutions behind"""
        return (self.scales(vectors)[:, :, None, None] * self.maps).contiguous(memory_format=torch.channels_last)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _change(inputs: int, outputs: int) -> list[nn.Module]:
    """Returns what lies between two stages beside a resampling, at the smaller side."""
    return [_convolution(inputs, outputs)] if inputs != outputs else []


def _sides(image_size: ImageSize) -> list[Sides]:
    """Returns the sides of the maps of each stage, from the smallest to the image's."""
    levels, smallest = doublings(image_size)
    return [Sides(*(side * 2**level for side in smallest)) for level in range(levels + 1)]


def _widths(player: str, width: int, full_width: int, group: int, image_size: ImageSize) -> list[int]:
    """Returns the width of each stage, from the smallest maps to the image's size, after checks of all settings."""
    where = f"model.{player}"
    require_whole_numbers({f"{where}.width": width, f"{where}.full_width_up_to": full_width,
                           f"{where}.maps_per_group": group})
    levels, _ = doublings(image_size)
    sides = [4 * 2**level for level in range(levels + 1)]  # of squares that are doubled as often
    divisors = [max(side // full_width, 1) for side in sides]
    require(full_width in (4, 8, 16, 32, 64, 128, 256), f"{where}.full_width_up_to", full_width,
            "a power of two from 4 to 256")
    require(width % divisors[-1] == 0, f"{where}.width", width,
            f"a multiple of {divisors[-1]}, as it is halved for each doubling of maps beyond {full_width} pixels "
            f"({where}.full_width_up_to)")
    widths = [width // divisor for divisor in divisors]
    for each in dict.fromkeys(widths):
        require(2 * each % group == 0 or 2 * each < group, f"{where}.maps_per_group", group,
                f"a divisor of {2 * each}, which is twice the width of a stage")
    return widths


def _initialise(network: nn.Module) -> None:
    """Draws all weights from N(0, gain^2 / fan_in).

    Inside blocks the gain is that of leaky ReLU times L^(-1/4) for L blocks (Fixup, Zhang et al. 2019,
    https://arxiv.org/abs/1901.09321, for blocks of three layers), elsewhere 1. The last convolution of a block, and all
    biases, are 0.
    """
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    of_blocks = math.sqrt(2 / (1 + SLOPE**2)) * len(blocks) ** (-1 / (2 * BLOCK_LAYERS - 2))
    inside = {id(layer) for block in blocks for layer in (block.widen, block.mix)}
    last = {id(block.narrow) for block in blocks}
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            gain = of_blocks if id(layer) in inside else 0.0 if id(layer) in last else 1.0
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, Basis):
            nn.init.normal_(layer.maps)


class R3GANGenerator(nn.Module):
    """Stages of residual blocks from the smallest maps to the image's size, and a 1x1 convolution to the image.

    The paper's has no tanh: colours outside [-1, 1] are cut off where images are shown, stored or measured.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps in stages of up to `full_width_up_to` pixels, 1 or more; half as many for each doubling beyond
    full_width_up_to: pixels, a power of two from 4 to 256
    blocks: residual blocks of each stage, 1 or more
    maps_per_group: of the 3x3 convolutions, a divisor of twice the width; where there are fewer maps, all are one group
    output_activation: none, for any numbers, or tanh, for images in [-1, 1]
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, width: Count = 768,
                 full_width_up_to: Count = 32, blocks: Count = 2, maps_per_group: Count = 16,
                 output_activation: OutputActivation = "none"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.generator.blocks": blocks})
        widths = _widths("generator", width, full_width_up_to, maps_per_group, image_size)
        self.latent_dim = latent_dim
        sides = _sides(image_size)
        first: list[nn.Module] = [Basis(latent_dim, widths[0], sides[0])]
        transitions = [[*_change(before, after), Doubling(smaller)]
                       for before, after, smaller in zip(widths, widths[1:], sides, strict=False)]
        self.layers = nn.Sequential(*(
            nn.Sequential(*start, *(Block(maps, maps_per_group) for _ in range(blocks)))
            for start, maps in zip([first, *transitions], widths, strict=True)))
        self.image = _convolution(widths[-1], channels)
        self.output_activation = output_activation
        self.output = nn.Sequential(*activation_of_output(output_activation))
        _initialise(self)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, H, W], mostly in [-1, 1]"""
        return self.output(self.image(self.layers(latents)))

    @property
    def stages(self) -> list[nn.Module]:
        """The stages, of one resolution each."""
        return [*self.layers]


class ConditionalR3GANGenerator(R3GANGenerator):
    """R3GANGenerator that is given a linear function of the class beside the latents.

    num_classes: K, 1 or more
    embedding_size: numbers of a class beside the latents, 1 or more
    more: settings of R3GANGenerator
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, num_classes: WholeNumber,
                 embedding_size: Count = 64, **more):
        require_classes(num_classes)
        require_whole_numbers({"model.generator.embedding_size": embedding_size, "model.latents.size": latent_dim})
        super().__init__(latent_dim + embedding_size, channels, image_size, **more)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = nn.Embedding(num_classes, embedding_size)
        nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(num_classes))  # a linear layer of K inputs, gain 1

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W], mostly in [-1, 1]"""
        return super().forward(torch.cat([latents, self.embedding(labels)], 1), labels)


class R3GANDiscriminator(nn.Module):
    """A 1x1 convolution of the image, stages of residual blocks down to the smallest maps, a sum over all places with
    weights for each map, and a linear layer.

    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps in stages of up to `full_width_up_to` pixels, 1 or more; half as many for each doubling beyond
    full_width_up_to: pixels, a power of two from 4 to 256
    blocks: residual blocks of each stage, 1 or more
    maps_per_group: of the 3x3 convolutions, a divisor of twice the width; where there are fewer maps, all are one group
    """

    def __init__(self, channels: Count, image_size: ImageSize, width: Count = 768, full_width_up_to: Count = 32,
                 blocks: Count = 2, maps_per_group: Count = 16):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.blocks": blocks})
        widths = _widths("discriminator", width, full_width_up_to, maps_per_group, image_size)[::-1]
        sides = _sides(image_size)[::-1]
        ends = [[Halving(larger), *_change(before, after)]
                for before, after, larger in zip(widths, widths[1:], sides, strict=False)]
        self.image = _convolution(channels, widths[0])
        self.layers = nn.Sequential(*(
            nn.Sequential(*(Block(maps, maps_per_group) for _ in range(blocks)), *end)
            for maps, end in zip(widths, [*ends, []], strict=True)))
        self.places = nn.Conv2d(widths[-1], widths[-1], tuple(sides[-1]), groups=widths[-1], bias=False)
        self.logit = nn.Linear(widths[-1], self.outputs_of(widths[-1]), bias=False)
        _initialise(self)

    def outputs_of(self, width: int) -> int:
        """Returns how many numbers the last layer gives."""
        return 1

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.last_numbers(images).squeeze(1)

    def last_numbers(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> what the last layer gives, [N, 1]; of a conditional network [N, width]"""
        return self.logit(self.places(self.layers(self.image(images))).flatten(1))

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The stages, of one resolution each; the first begins with the layer of the image."""
        first, *others = self.layers
        return [[self.image, first], *([stage] for stage in others)]

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] -> the outputs of all stages, the last [N, width, h, w]"""
        return outputs_of_each(self.layers, self.image(images))


class ConditionalR3GANDiscriminator(R3GANDiscriminator):
    """R3GANDiscriminator whose logit is the product of what its last layer gives with an embedding of the class.

    Projection (Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637) without the part that ignores the class.

    num_classes: K, 1 or more
    more: settings of R3GANDiscriminator
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, **more):
        require_classes(num_classes)
        super().__init__(channels, image_size, **more)
        self.num_classes = num_classes
        size = self.logit.out_features
        self.embedding = nn.Embedding(num_classes, size)
        nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(size * num_classes))  # K inputs, gain 1 / sqrt(size)

    def outputs_of(self, width: int) -> int:
        return width

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N]"""
        return (self.last_numbers(images) * self.embedding(labels)).sum(1)
