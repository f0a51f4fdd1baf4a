"""The networks with which stacked digits are published, for images of any size.

PacGAN's (Lin et al. 2018, https://arxiv.org/abs/1712.04086, section 4.1, after VEEGAN's) and those of the unrolled GAN
(Metz et al. 2017, https://arxiv.org/abs/1611.02163, section 3.3.1, as PacGAN's code has them):

                       PacGAN                         Metz, 1/4 size (1/2 size)
  maps of G            512, 256, 128, 64, image       64, 32, 16, 8, and a convolution to the image
  maps of D            64, 128, 256, 512              2, 4, 8 (4, 8, 16)
  D's first maps       not normalised                 normalised
  kernel, LeakyReLU    5, 0.2                         3, 0.3

Sides are halved and rounded up, 28, 14, 7, 4, 2, with TensorFlow's "same" padding. Layers have a bias, also where
BatchNorm follows. Weights are drawn from N(0, 0.02), those of convolutions without the tails beyond two standard
deviations. N images of C channels and H x W pixels.
"""

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import BelowOne, Count, ImageSize, integer, list_of, one_of
from saddlepoint.networks.colours import Colours, after_generator, before_discriminator
from saddlepoint.networks.initialisation import normal_weights
from saddlepoint.networks.layers import (
    FirstMaps,
    GeneratorNormalization,
    Normalization,
    SameTransposed,
    activation,
    map_normalization,
    outputs_of_each,
    require_normalization,
    same_convolution,
)

STD = 0.02
STRIDES = (1, 2)


class StackedDigitsGenerator(nn.Module):
    """First maps from the latents, transposed convolutions of stride 2 that double them, each with normalisation and
    ReLU, the layer that makes the image, tanh.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels of a side, or [H, W]
    maps: number of maps before each doubling and, with image_stride=1, of the last ones, 1 or more each
    kernel_size: pixels, 2 or more
    image_stride: of the layer that makes the image: 2 doubles once more, by a transposed convolution; 1: a convolution
    normalization: none, batch, layer, instance or virtual_batch
    colours: the units in which tanh counts, `symmetric` or `unit` (colours.py)
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize,
                 maps: Annotated[Sequence[int], list_of(integer(1))] = (512, 256, 128, 64),
                 kernel_size: Annotated[int, integer(2)] = 5, image_stride: Annotated[int, one_of(*STRIDES)] = 2,
                 normalization: GeneratorNormalization = "batch", colours: Colours = "symmetric"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        _check("generator", maps, kernel_size, normalization)
        require(image_stride in STRIDES, "model.generator.image_stride", image_stride, "1 or 2")
        self.latent_dim = latent_dim
        smallest, *larger = reversed(halvings(image_size, len(maps) - 2 + image_stride))
        widths = [*maps[1:], channels] if image_stride == 2 else maps[1:]
        layers: list[nn.Module] = [FirstMaps(latent_dim, maps[0], bias=True, sides=smallest)]
        for inputs, outputs, sides in zip(maps, widths, larger, strict=False):
            layers += [*map_normalization(normalization, inputs), activation(0.0),
                       SameTransposed(inputs, outputs, kernel_size, 2, sides)]
        if image_stride == 1:
            layers += [*map_normalization(normalization, maps[-1]), activation(0.0),
                       *same_convolution(maps[-1], channels, kernel_size)]
        self.layers = nn.Sequential(*layers, nn.Tanh(), *after_generator(colours))
        _initialise(self)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, H, W] in [-1, 1], or with colours=unit in
        [-3, 1]"""
        return self.layers(latents)


class StackedDigitsDiscriminator(nn.Module):
    """Convolutions of stride 2, each with normalisation and LeakyReLU, then one linear logit.

    channels: of the images, 1 or more
    image_size: pixels of a side, or [H, W]
    maps: number of maps after each convolution, 1 or more each
    kernel_size: pixels, 2 or more
    normalization: none, batch, layer or instance
    normalize_first: whether the maps of the first convolution are normalised too
    negative_slope: of LeakyReLU, at least 0 and below 1
    colours: the units in which the layers count, `symmetric` or `unit` (colours.py)
    """

    def __init__(self, channels: Count, image_size: ImageSize,
                 maps: Annotated[Sequence[int], list_of(integer(1))] = (64, 128, 256, 512),
                 kernel_size: Annotated[int, integer(2)] = 5, normalization: Normalization = "batch",
                 normalize_first: bool = False, negative_slope: BelowOne = 0.2, colours: Colours = "symmetric"):
        super().__init__()
        require_whole_numbers({"data.channels": channels})
        _check("discriminator", maps, kernel_size, normalization)
        require(0 <= negative_slope < 1, "model.discriminator.negative_slope", negative_slope, FRACTION)
        *larger, smallest = halvings(image_size, len(maps))
        self.units = nn.Sequential(*before_discriminator(colours))
        self.blocks = nn.Sequential()
        for level, (inputs, outputs) in enumerate(zip([channels, *maps], maps, strict=False)):
            self.blocks.append(nn.Sequential(
                *same_convolution(inputs, outputs, kernel_size, 2, larger[level]),
                *(map_normalization(normalization, outputs) if level or normalize_first else ()),
                activation(negative_slope)))
        self.logit = nn.Linear(maps[-1] * smallest.area, 1)
        _initialise(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.last_maps(images)).squeeze(1)

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]

    def last_maps(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> the last maps as vectors [N, maps * h * w], of which the logit is a linear function"""
        return self.blocks(self.units(images)).flatten(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> activations [N, maps, ceil(H/2), ceil(W/2)] and so on, the last maps"""
        return outputs_of_each(self.blocks, self.units(images))


def halvings(image_size: ImageSize, count: int) -> list[Sides]:
    """Returns the sides of an image and of its maps after each of `count` halvings, rounded up: 28, 14, 7, 4, 2."""
    sides = [sides_of(image_size)]
    for _ in range(count):
        sides.append(Sides(*(-(-side // 2) for side in sides[-1])))
    return sides


def _check(player: str, maps: Sequence[int], kernel_size: int, normalization: str) -> None:
    whole = isinstance(maps, Sequence) and all(isinstance(count, int) and count >= 1 for count in maps)
    require(whole and len(maps) > 0, f"model.{player}.maps", maps,
            "a list of whole numbers of at least 1, such as [64,128,256]")
    require(isinstance(kernel_size, int) and kernel_size >= 2, f"model.{player}.kernel_size", kernel_size,
            "a whole number of at least 2")
    require_normalization(player, normalization)


def _initialise(network: nn.Module) -> None:
    normal_weights(network, STD)
    for layer in network.modules():
        if type(layer) is nn.Conv2d:
            nn.init.trunc_normal_(layer.weight, std=STD, a=-2 * STD, b=2 * STD)
