"""The networks of a Laplacian pyramid: Denton, Chintala, Szlam and Fergus 2015, https://arxiv.org/abs/1506.05751

N images of C channels and H x W pixels in [-1, 1]. Level 1 is the coarsest; each level after it has twice the sides of
the one before. A level of h x w pixels is an image I with I = low + difference, where `low` is the level before it,
enlarged; of the first level there is only the image.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import BelowOne, Count, ImageSize, WholeNumber, integer, list_of, one_of
from saddlepoint.networks.conditional_mlp import ConditionalMLPDiscriminator, ConditionalMLPGenerator
from saddlepoint.networks.conditioning import BesideLabelMap
from saddlepoint.networks.initialisation import he
from saddlepoint.networks.laplacian_pyramid import LaplacianPyramid
from saddlepoint.networks.layers import (
    Labelled,
    Normalization,
    activation,
    map_normalization,
    outputs_of_each,
    sides_over,
)
from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator

KERNEL_SIZES = (3, 5, 7)
SHOWN = ("image", "difference")
KernelSize = Annotated[int, one_of(*KERNEL_SIZES)]
Widths = Annotated[Sequence[int], list_of(integer(1))]


def sides_of_levels(image_size: ImageSize, levels: int) -> list[Sides]:
    """Returns the sides of each level, the coarsest first. Refuses images that do not halve so often."""
    coarsest = sides_over(image_size, 2 ** (levels - 1), f"model.generator.levels={levels}")
    return [Sides(*(side * 2**level for side in coarsest)) for level in range(levels)]


def _check(player: str, channels: int, levels: int, width: int, kernel_size: int) -> None:
    model = f"model.{player}"
    require_whole_numbers({"data.channels": channels, f"{model}.width": width})
    require(isinstance(levels, int) and levels >= 2, f"{model}.levels", levels, "a whole number of at least 2; of one "
            "level there is no pyramid: type model=mlp for an ordinary network")
    require(kernel_size in KERNEL_SIZES, f"{model}.kernel_size", kernel_size, "3, 5 or 7")


class DifferenceGenerator(nn.Module):
    """Makes the difference of a level from its low-pass image and one map of noise: three convolutions with ReLU
    between them, without an activation at the end. A class adds one map to those of the first convolution.

    channels, sides: of the level
    width: maps between the convolutions
    """

    def __init__(self, channels: int, sides: Sides, width: int, kernel_size: int, normalization: str, num_classes: int):
        super().__init__()
        self.sides, padding, bias = sides, kernel_size // 2, normalization == "none"
        beside = [BesideLabelMap(num_classes, num_classes, sides)] if num_classes else []
        self.layers = Labelled(
            nn.Conv2d(channels + 1, width, kernel_size, padding=padding, bias=bias),
            *map_normalization(normalization, width), activation(0.0), *beside,
            nn.Conv2d(width + len(beside), width, kernel_size, padding=padding, bias=bias),
            *map_normalization(normalization, width), activation(0.0),
            nn.Conv2d(width, channels, kernel_size, padding=padding))
        he(self)
        nn.init.normal_(self.layers[-1].weight, std=0.02)  # differences start small, as real ones are

    def forward(self, noise: Tensor, low: Tensor, labels: Tensor) -> Tensor:
        """noise [N, h * w], low [N, C, h, w], labels [N] -> differences [N, C, h, w]"""
        return self.layers(torch.cat([low, noise.view(-1, 1, *self.sides)], 1), labels)


class LaplacianGenerator(nn.Module):
    """Composes an image from all levels: the first makes a small image, and each other one enlarges the image so far
    and adds the difference that it makes for it. Images so far are cut off at -1 and 1.

    The latents of an image are those of the first level, which is fully connected, and one number for each pixel of
    every other level: latent_dim is `coarse` + h2 w2 + h3 w3 + ... Training calls the parts, `pyramid_levels`, one by
    one.

    latent_dim: of an image in all levels, more than the pixels of the levels after the first
    channels: C, 1 or more
    image_size: pixels of the last level, a multiple of 2^(levels - 1), or [H, W] of such
    levels: 2 or more; of 32 pixels and 3 levels the sides are 8, 16 and 32
    coarse_widths: numbers in each hidden layer of the first level, 1 or more each
    width: maps in the hidden layers of the other levels, 1 or more
    kernel_size: pixels, 3, 5 or 7
    normalization: none, batch, layer or instance, in the levels after the first
    num_classes: 0: labels are ignored; K: images are made of a class
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize,
                 levels: Annotated[int, integer(2)] = 3, coarse_widths: Widths = (1200, 1200), width: Count = 64,
                 kernel_size: KernelSize = 5, normalization: Normalization = "none", num_classes: WholeNumber = 0):
        super().__init__()
        _check("generator", channels, levels, width, kernel_size)
        coarsest, *finer = sides_of_levels(image_size, levels)
        pixels = sum(sides.area for sides in finer)
        require(latent_dim > pixels, "model.latents.size", latent_dim,
                f"more than {pixels}, as each pixel of the levels after the first has a number of its own: type "
                f"model.latents.size={pixels + 100} for 100 in the first level")
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.noise_sizes = [latent_dim - pixels, *(sides.area for sides in finer)]
        self.pyramid = LaplacianPyramid(channels)
        first, classes = (ConditionalMLPGenerator, {"num_classes": num_classes}) if num_classes else (MLPGenerator, {})
        self.levels = nn.ModuleList([
            first(latent_dim=latent_dim - pixels, channels=channels, image_size=coarsest.image_size,
                  widths=coarse_widths, negative_slope=0.0, **classes),
            *(DifferenceGenerator(channels, sides, width, kernel_size, normalization, num_classes)
              for sides in finer)])

    @property
    def pyramid_levels(self) -> nn.ModuleList:
        """The parts, the coarsest level first."""
        return self.levels

    def noise(self, latents: Tensor) -> tuple[Tensor, ...]:
        """latents [N, latent_dim] -> the numbers of each level: [N, coarse], [N, h2 * w2], ..."""
        return latents.split(self.noise_sizes, dim=1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W] in [-1, 1]"""
        first, *finer = self.noise(latents)
        image = self.levels[0](first, labels)
        for level, noise in zip(self.levels[1:], finer, strict=True):
            low = self.pyramid.expand(image)
            image = (low + level(noise, low, labels)).clamp(-1, 1)
        return image


class DifferenceDiscriminator(nn.Module):
    """Tells real from made differences of a level, given its low-pass image: two convolutions of stride 2 with
    LeakyReLU, dropout, and a linear logit. A class adds one map to those of the first convolution.

    shown: image: the sum low + difference, as in the paper's section 3.1 | difference: difference and low apart, beside
        each other as channels, so that it also sees which image the difference is for
    """

    def __init__(self, channels: int, sides: Sides, width: int, kernel_size: int, normalization: str,
                 negative_slope: float, dropout: float, shown: str, num_classes: int):
        super().__init__()
        self.shown = shown
        halved, bias = Sides(-(-sides.height // 2), -(-sides.width // 2)), normalization == "none"
        quartered = Sides(-(-halved.height // 2), -(-halved.width // 2))
        beside = [BesideLabelMap(num_classes, num_classes, halved)] if num_classes else []
        convolution = {"kernel_size": kernel_size, "stride": 2, "padding": kernel_size // 2}
        inputs = channels if shown == "image" else 2 * channels
        self.blocks = nn.Sequential(
            Labelled(nn.Conv2d(inputs, width, **convolution), activation(negative_slope), *beside),
            Labelled(nn.Conv2d(width + len(beside), 2 * width, bias=bias, **convolution),
                     *map_normalization(normalization, 2 * width), activation(negative_slope)))
        self.logit = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width * quartered.area, 1))
        he(self)

    def features(self, difference: Tensor, low: Tensor, labels: Tensor) -> list[Tensor]:
        """difference, low [N, C, h, w], labels [N] -> activations [N, maps, h/2, w/2], [N, maps, h/4, w/4]"""
        seen = low + difference if self.shown == "image" else torch.cat([difference, low], 1)
        return outputs_of_each(self.blocks, seen, labels)

    def forward(self, difference: Tensor, low: Tensor, labels: Tensor) -> Tensor:
        """difference, low [N, C, h, w], labels [N] -> logits [N]"""
        return self.logit(self.features(difference, low, labels)[-1].flatten(1)).squeeze(1)


class LaplacianDiscriminator(nn.Module):
    """Judges each level of an image by a network of its own. Training calls these parts, `pyramid_levels`, one by one.

    Called with whole images it gives the sum of all levels' logits. The pyramid of an image has the same information as
    the image, so log p(image) is a sum over levels, each given the one before (the paper's section 3.2), and so is the
    logarithm of the ratio of two densities, which the best logits are.

    channels, image_size, levels, width, kernel_size, normalization, num_classes: as of LaplacianGenerator
    coarse_widths: numbers in each hidden layer of the first level, which is fully connected, 1 or more each
    negative_slope: of LeakyReLU, at least 0 and below 1; 0 is ReLU
    dropout: probability after each hidden layer of the first level and before the logit of the others, at least 0 and
        below 1
    shown: image: the other levels see low + difference | difference: they see both, apart
    """

    def __init__(self, channels: Count, image_size: ImageSize, levels: Annotated[int, integer(2)] = 3,
                 coarse_widths: Widths = (600, 600), width: Count = 64, kernel_size: KernelSize = 5,
                 normalization: Normalization = "none", negative_slope: BelowOne = 0.0, dropout: BelowOne = 0.5,
                 shown: Annotated[str, one_of(*SHOWN)] = "image", num_classes: WholeNumber = 0):
        super().__init__()
        _check("discriminator", channels, levels, width, kernel_size)
        require(shown in SHOWN, "model.discriminator.shown", shown, "one of " + ", ".join(SHOWN))
        require(0 <= dropout < 1, "model.discriminator.dropout", dropout, FRACTION)
        coarsest, *finer = sides_of_levels(image_size, levels)
        self.num_classes, self.pyramid = num_classes, LaplacianPyramid(channels)
        first, classes = (
            (ConditionalMLPDiscriminator, {"num_classes": num_classes}) if num_classes else (MLPDiscriminator, {}))
        self.levels = nn.ModuleList([
            first(channels=channels, image_size=coarsest.image_size, widths=coarse_widths, dropout=dropout,
                  negative_slope=negative_slope, **classes),
            *(DifferenceDiscriminator(channels, sides, width, kernel_size, normalization, negative_slope, dropout,
                                      shown, num_classes) for sides in finer)])

    @property
    def pyramid_levels(self) -> nn.ModuleList:
        """The parts, the coarsest level first."""
        return self.levels

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N]"""
        seen = self.pyramid.bands(images, len(self.levels))
        return sum(level(*parts, labels) for level, parts in zip(self.levels, seen, strict=True))

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] -> the activations of each level's hidden layers, the coarsest first"""
        seen = self.pyramid.bands(images, len(self.levels))
        return [values for level, parts in zip(self.levels, seen, strict=True)
                for values in level.features(*parts, labels)]
