"""InfoGAN: Chen et al. 2016, appendix C.1, https://arxiv.org/abs/1606.03657

N images of C channels and H x W pixels, both multiples of 4. The paper's networks for MNIST, with `width` 64 and
`hidden` 1024, which are also those of its other small images with other widths.
"""

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import BelowOne, Count, ImageSize, WholeNumber, integer, list_of, one_of
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import activation, map_normalization, sides_over

NORMALIZATIONS = ("none", "batch", "layer")  # no `instance`: two of the layers give vectors


def _quarter(image_size: ImageSize) -> Sides:
    """Returns the sides of the smallest maps, a quarter of the image's."""
    return sides_over(image_size, 4, "this model")


class _Style:
    """Builds the hidden layers of a network, each with its normalisation and activation; none has a bias if normalised.

    player: `generator` or `discriminator`, for messages
    normalization: none, batch or layer
    negative_slope: of LeakyReLU; 0 is ReLU
    """

    def __init__(self, player: str, normalization: str, negative_slope: float):
        require(normalization in NORMALIZATIONS, f"model.{player}.normalization", normalization,
                "one of " + ", ".join(NORMALIZATIONS))
        self.normalization, self.negative_slope, self.bias = normalization, negative_slope, normalization == "none"

    def linear(self, inputs: int, outputs: int) -> list[nn.Module]:
        normalized = {"none": [], "batch": [nn.BatchNorm1d(outputs)], "layer": [nn.LayerNorm(outputs)]}
        return [nn.Linear(inputs, outputs, self.bias), *normalized[self.normalization], activation(self.negative_slope)]

    def maps(self, convolution: type[nn.Module], inputs: int, outputs: int) -> list[nn.Module]:
        """Returns a convolution of stride 2, or a transposed one."""
        return [convolution(inputs, outputs, 4, 2, 1, bias=self.bias),
                *map_normalization(self.normalization, outputs), activation(self.negative_slope)]


class InfoGANGenerator(nn.Module):
    """Two linear layers, then two transposed convolutions of stride 2; ReLU after all but the last, which has tanh.

    latent_dim: numbers in the latents of an image, noise and codes, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a multiple of 4, or [H, W], two multiples of 4
    width: maps of H/2 x W/2 pixels, 1 or more; twice as many of H/4 x W/4
    hidden: numbers in the first layer, 1 or more
    normalization: none, batch or layer, of all layers but the last
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, width: Count = 64,
                 hidden: Count = 1024, normalization: Annotated[str, one_of(*NORMALIZATIONS)] = "batch"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.generator.width": width, "model.generator.hidden": hidden})
        self.latent_dim = latent_dim
        smallest = _quarter(image_size)
        numbers = 2 * width * smallest.area
        style = _Style("generator", normalization, 0.0)
        self.layers = nn.Sequential(
            *style.linear(latent_dim, hidden), *style.linear(hidden, numbers),
            nn.Unflatten(1, (2 * width, *smallest)), *style.maps(nn.ConvTranspose2d, 2 * width, width),
            nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())
        normal(self, std=0.02)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, H, W] in [-1, 1]"""
        return self.layers(latents)


class InfoGANDiscriminator(nn.Module):
    """Two convolutions of stride 2 and a linear layer, which a logit and the guess of the codes share.

    All but the first are normalised; LeakyReLU after each. The guess Q(c | x), logits of categorical codes and means of
    continuous ones, is made by one more layer of `code_hidden` numbers.

    channels: of the images, 1 or more
    image_size: pixels, a multiple of 4, or [H, W], two multiples of 4
    categorical: number of values of each categorical code, 2 or more each
    continuous: how many continuous codes there are
    width: maps of H/2 x W/2 pixels, 1 or more; twice as many of H/4 x W/4
    hidden: numbers in the shared linear layer, 1 or more
    code_hidden: numbers in the layer of the codes alone, 1 or more
    normalization: none, batch or layer
    negative_slope: of LeakyReLU, at least 0 and below 1
    """

    def __init__(self, channels: Count, image_size: ImageSize,
                 categorical: Annotated[Sequence[int], list_of(integer(2), empty=True)], continuous: WholeNumber,
                 width: Count = 64, hidden: Count = 1024, code_hidden: Count = 128,
                 normalization: Annotated[str, one_of(*NORMALIZATIONS)] = "batch", negative_slope: BelowOne = 0.1):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.width": width,
                               "model.discriminator.hidden": hidden, "model.discriminator.code_hidden": code_hidden})
        smallest, style = _quarter(image_size), _Style("discriminator", normalization, negative_slope)
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), activation(negative_slope),
            *style.maps(nn.Conv2d, width, 2 * width), nn.Flatten(), *style.linear(2 * width * smallest.area, hidden))
        self.logit = nn.Linear(hidden, 1)
        self.guess = nn.Sequential(*style.linear(hidden, code_hidden),
                                   nn.Linear(code_hidden, sum(categorical) + continuous))
        normal(self, std=0.02)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.trunk(images)).squeeze(1)

    def codes(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W] -> [N, sum(categorical) + continuous]: logits of the categorical, means of the others"""
        return self.guess(self.trunk(images))

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W] -> the shared layer [N, hidden]"""
        return self.trunk(images)
