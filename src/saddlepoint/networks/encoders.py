"""Encoders: images -> latents, the other direction of a generator. N images of C channels and H x W pixels.

A deterministic encoder gives one point for an image (BiGAN: Donahue et al. 2017, https://arxiv.org/abs/1605.09782), a
stochastic one a Gaussian with a mean and a standard deviation in each dimension (ALI: Dumoulin et al. 2017,
https://arxiv.org/abs/1606.00704). What draws from it is the task, which has the random numbers.
"""

from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import BelowOne, Count, ImageSize
from saddlepoint.networks.dcgan import KernelSize, check_maps, halving_blocks
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import Normalization
from saddlepoint.networks.mlp import FullyConnected


class EncoderOutputs(nn.Module):
    """A mixin: what the last layer of an encoder gives, [N, latent_dim], or twice as many where it is `stochastic`.

    A subclass defines `hidden`, the layers before the last, and `last`, a linear function of them.
    """

    latent_dim: int
    stochastic: bool

    def hidden(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] -> the last hidden layer [N, D]"""
        raise TypeError(f"{type(self).__name__} does not say what its hidden layers are")

    def distribution(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """images [N, C, H, W] -> means [N, latent_dim] and standard deviations; None: it is deterministic"""
        outputs = self.last(self.hidden(images))
        if not self.stochastic:
            return outputs, None
        mean, log_variance = outputs.chunk(2, 1)
        return mean, (log_variance / 2).exp()

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> latents [N, latent_dim]; means if the encoder is stochastic"""
        return self.distribution(images, labels)[0]

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W] -> the last hidden layer [N, D]"""
        return self.hidden(images)


class DCGANEncoder(EncoderOutputs):
    """The convolutions of DCGAN's discriminator down to maps of 4x4 pixels, then a linear layer to the latents.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    stochastic: gives a mean and a standard deviation for each number
    width: maps of H/2 x W/2 pixels, 1 or more
    kernel_size: pixels, 4 or 5
    normalization: none, batch, layer or instance
    negative_slope: of LeakyReLU, at least 0 and below 1
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, stochastic: bool = False,
                 width: Count = 64, kernel_size: KernelSize = 4, normalization: Normalization = "batch",
                 negative_slope: BelowOne = 0.2):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        check_maps("encoder", width, kernel_size, normalization, negative_slope)
        self.latent_dim, self.stochastic = latent_dim, stochastic
        self.blocks, numbers = halving_blocks(channels, image_size, width, kernel_size, normalization, negative_slope,
                                              dropout=0.0)
        self.last = nn.Linear(numbers, latent_dim * (2 if stochastic else 1))
        normal(self, std=0.02)

    def hidden(self, images: Tensor) -> Tensor:
        return self.blocks(images).flatten(1)


class MLPEncoder(EncoderOutputs, FullyConnected):
    """Images -> hidden layers -> latents. `more`: settings of FullyConnected, from `widths` on.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels of a side, 1 or more, or [H, W]
    stochastic: gives a mean and a standard deviation for each number
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, stochastic: bool = False, **more):
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        outputs = latent_dim * (2 if stochastic else 1)
        super().__init__("encoder", channels * sides_of(image_size).area, outputs, **more)
        self.latent_dim, self.stochastic = latent_dim, stochastic

    def hidden(self, images: Tensor) -> Tensor:
        return self.layers[:-1](images.flatten(1))

    def last(self, hidden: Tensor) -> Tensor:
        return self.layers[-1](hidden)
