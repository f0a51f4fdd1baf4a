"""DCGAN: Radford, Metz and Chintala 2016, section 3, https://arxiv.org/abs/1511.06434

N images of C channels and H x W pixels. A layer that doubles the side of the maps halves their number, and the other
way round; `width` is the number of maps of H/2 x W/2 pixels. The paper has kernel_size=5 and width=128, its
common ports kernel_size=4 and width=64.
"""

from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.rules import BelowOne, Count, ImageSize, one_of
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import (
    FirstMaps,
    GeneratorNormalization,
    Normalization,
    OutputActivation,
    activation,
    activation_of_output,
    doublings,
    map_normalization,
    outputs_of_each,
    require_normalization,
)
from saddlepoint.networks.minibatch import Comparison, Discrimination, Group

KERNEL_SIZES = (4, 5)
KernelSize = Annotated[int, one_of(*KERNEL_SIZES)]


def check_maps(player: str, width: int, kernel_size: int, normalization: str, negative_slope: float = 0.0,
               dropout: float = 0.0) -> None:
    """Refuses with a ValueError what the convolutions of a player (generator, discriminator, encoder) cannot have."""
    require_whole_numbers({f"model.{player}.width": width})
    require(kernel_size in KERNEL_SIZES, f"model.{player}.kernel_size", kernel_size, "4 (ports) or 5 (the paper)")
    require_normalization(player, normalization)
    require(0 <= negative_slope < 1, f"model.{player}.negative_slope", negative_slope, FRACTION)
    require(0 <= dropout < 1, f"model.{player}.dropout", dropout, FRACTION)


class DCGANGenerator(nn.Module):
    """Maps of 4x4 pixels from the latents, transposed convolutions of stride 2 with ReLU up to the image, and tanh.

    The first maps of images that are not square have the sides of `layers.doublings`, 6x8 for 48x64 pixels.

    Convolutions have a bias only with normalization=none, where no normalisation shifts the maps. The output is never
    normalised.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps of H/2 x W/2 pixels, 1 or more
    kernel_size: pixels, 4 or 5
    normalization: none, batch, layer, instance or virtual_batch
    output_activation: tanh, for images in [-1, 1], or none, for any numbers
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, width: Count = 64,
                 kernel_size: KernelSize = 4, normalization: GeneratorNormalization = "batch",
                 output_activation: OutputActivation = "tanh"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        check_maps("generator", width, kernel_size, normalization)
        self.latent_dim = latent_dim
        bias = normalization == "none"
        levels, smallest = doublings(image_size)
        maps = [width * 2**level for level in reversed(range(levels))]
        layers = [FirstMaps(latent_dim, maps[0], bias, smallest)]
        for inputs, outputs in zip(maps, [*maps[1:], channels], strict=True):
            layers += [*map_normalization(normalization, inputs), activation(0.0),
                       nn.ConvTranspose2d(inputs, outputs, kernel_size, stride=2, padding=(kernel_size - 1) // 2,
                                          output_padding=kernel_size % 2, bias=bias)]
        self.output_activation = output_activation
        self.layers = nn.Sequential(*layers, *activation_of_output(output_activation))
        normal(self, std=0.02)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, H, W], in [-1, 1] with tanh"""
        return self.layers(latents)

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The layers from one transposed convolution to the next, which is the last of its stage."""
        stages: list[list[nn.Module]] = [[]]
        for layer in self.layers:
            stages[-1].append(layer)
            if isinstance(layer, nn.ConvTranspose2d):
                stages.append([])
        return stages[:-1]


def halving_blocks(channels: int, image_size: ImageSize, width: int, kernel_size: int, normalization: str,
                   negative_slope: float, dropout: float) -> tuple[nn.Sequential, int]:
    """Returns the convolutions of a discriminator or an encoder, [N, C, H, W] -> [N, maps, h, w], 4x4 of squares, and
    how many numbers an image becomes, maps * h * w."""
    levels, smallest = doublings(image_size)
    maps = [width * 2**level for level in range(levels)]
    blocks = nn.Sequential()
    for level, (inputs, outputs) in enumerate(zip([channels, *maps], maps, strict=False)):
        blocks.append(nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size, stride=2, padding=(kernel_size - 1) // 2,
                      bias=normalization == "none"),
            *(map_normalization(normalization, outputs) if level else ()),
            activation(negative_slope),
            *([nn.Dropout(dropout)] if dropout else ())))
    return blocks, maps[-1] * smallest.height * smallest.width


class DCGANDiscriminator(nn.Module):
    """Convolutions of stride 2, each with LeakyReLU, down to maps of 4x4 pixels, then one linear logit.

    Layers have a bias only with normalization=none. The first convolution is never normalised.

    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps of H/2 x W/2 pixels, 1 or more
    kernel_size: pixels, 4 or 5
    normalization: none, batch, layer or instance
    negative_slope: of LeakyReLU, at least 0 and below 1
    dropout: probability of dropping a value after each activation, at least 0 and below 1
    minibatch_discrimination: {kernels, dimensions} of minibatch.MinibatchDiscrimination; None: without
    minibatch_stddev: images in a group of minibatch.MinibatchDeviation, 2 or more; None: without
    """

    def __init__(self, channels: Count, image_size: ImageSize, width: Count = 64,
                 kernel_size: KernelSize = 4, normalization: Normalization = "batch",
                 negative_slope: BelowOne = 0.2, dropout: BelowOne = 0.0,
                 minibatch_discrimination: Discrimination = None, minibatch_stddev: Group = None):
        super().__init__()
        require_whole_numbers({"data.channels": channels})
        check_maps("discriminator", width, kernel_size, normalization, negative_slope, dropout)
        self.blocks, numbers = halving_blocks(channels, image_size, width, kernel_size, normalization, negative_slope,
                                              dropout)
        maps, comparison = self.blocks[-1][0].out_channels, Comparison(minibatch_discrimination, minibatch_stddev)
        self.comparing, numbers = comparison.layers(maps, numbers // maps)
        self.logit = nn.Linear(numbers, 1, bias=normalization == "none")
        normal(self, std=0.02)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.last_maps(images)).squeeze(1)

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]

    def last_maps(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> the last maps as vectors [N, maps * h * w], and what is appended to them; the logit is
        a linear function of these"""
        return self.comparing(self.blocks(images)).flatten(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> activations [N, width, H/2, W/2], [N, 2 width, H/4, W/4], ..., the last maps"""
        return outputs_of_each(self.blocks, images)
