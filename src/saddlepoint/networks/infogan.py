"""InfoGAN: Chen et al. 2016, appendix C.1, https://arxiv.org/abs/1606.03657

N images of C channels and S x S pixels, S a multiple of 4. The paper's networks for MNIST, with `width` 64 and `hidden`
1024, which are also those of its other small images with other widths.
"""

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.rules import BelowOne, Count, WholeNumber, integer, list_of
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import activation


def _quarter(image_size: int) -> int:
    """Returns S / 4, the side of the smallest maps."""
    if not isinstance(image_size, int) or image_size < 4 or image_size % 4:
        nearest = max(image_size // 4, 1) * 4 if isinstance(image_size, int) else 28
        raise ValueError(f"data.image_size={image_size} must be a multiple of 4 for this model: type "
                         f"data.image_size={nearest}")
    return image_size // 4


class InfoGANGenerator(nn.Module):
    """Two linear layers, then two transposed convolutions of stride 2; BatchNorm and ReLU after all but the last; tanh.

    latent_dim: numbers in the latents of an image, noise and codes, 1 or more
    channels: of the images, 1 or more
    image_size: S, pixels a side, a multiple of 4
    width: maps of S/2 x S/2 pixels, 1 or more; twice as many of S/4 x S/4
    hidden: numbers in the first layer, 1 or more
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: Count, width: Count = 64, hidden: Count = 1024):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.generator.width": width, "model.generator.hidden": hidden})
        self.latent_dim = latent_dim
        side = _quarter(image_size)
        numbers = 2 * width * side**2
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden, bias=False), nn.BatchNorm1d(hidden), activation(0.0),
            nn.Linear(hidden, numbers, bias=False), nn.BatchNorm1d(numbers), activation(0.0),
            nn.Unflatten(1, (2 * width, side, side)),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), activation(0.0),
            nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())
        normal(self, std=0.02)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, S, S] in [-1, 1]"""
        return self.layers(latents)


class InfoGANDiscriminator(nn.Module):
    """Two convolutions of stride 2 and a linear layer, which a logit and the guess of the codes share.

    BatchNorm after the second convolution and the linear layer, LeakyReLU after each. The guess is made by one more
    layer of `code_hidden` numbers: Q(c | x), logits of categorical codes and means of continuous ones.

    channels: of the images, 1 or more
    image_size: S, pixels a side, a multiple of 4
    categorical: number of values of each categorical code, 2 or more each
    continuous: how many continuous codes there are
    width: maps of S/2 x S/2 pixels, 1 or more; twice as many of S/4 x S/4
    hidden: numbers in the shared linear layer, 1 or more
    code_hidden: numbers in the layer of the codes alone, 1 or more
    negative_slope: of LeakyReLU, at least 0 and below 1
    """

    def __init__(self, channels: Count, image_size: Count,
                 categorical: Annotated[Sequence[int], list_of(integer(2), empty=True)], continuous: WholeNumber,
                 width: Count = 64, hidden: Count = 1024, code_hidden: Count = 128, negative_slope: BelowOne = 0.1):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.width": width,
                               "model.discriminator.hidden": hidden, "model.discriminator.code_hidden": code_hidden})
        side = _quarter(image_size)
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), activation(negative_slope),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), activation(negative_slope),
            nn.Flatten(),
            nn.Linear(2 * width * side**2, hidden, bias=False), nn.BatchNorm1d(hidden), activation(negative_slope))
        self.logit = nn.Linear(hidden, 1)
        self.guess = nn.Sequential(
            nn.Linear(hidden, code_hidden, bias=False), nn.BatchNorm1d(code_hidden), activation(negative_slope),
            nn.Linear(code_hidden, sum(categorical) + continuous))
        normal(self, std=0.02)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.trunk(images)).squeeze(1)

    def codes(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S] -> [N, sum(categorical) + continuous]: logits of the categorical, means of the others"""
        return self.guess(self.trunk(images))

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S] -> the shared layer [N, hidden]"""
        return self.trunk(images)
