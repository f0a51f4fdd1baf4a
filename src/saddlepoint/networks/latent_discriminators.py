"""Discriminators that are shown latents: alone, or each with its image. N images of C channels and H x W pixels."""

import torch
from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import BelowOne, Count, ImageSize
from saddlepoint.networks.dcgan import KernelSize, check_maps, halving_blocks
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import Normalization, activation
from saddlepoint.networks.mlp import FullyConnected


class LatentDiscriminator(FullyConnected):
    """Latents -> hidden layers -> one logit: the discriminator of an adversarial autoencoder, which sees no image.

    Makhzani et al. 2015, appendix A, https://arxiv.org/abs/1511.05644. `more`: those of FullyConnected, from widths on.

    latent_dim: numbers in the latents of an image, 1 or more
    """

    def __init__(self, latent_dim: Count, **more):
        require_whole_numbers({"model.latents.size": latent_dim})
        super().__init__("discriminator", latent_dim, 1, **more)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> logits [N]"""
        return self.layers(latents).squeeze(1)

    def features(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim] -> the last hidden layer [N, width]"""
        return self.layers[:-1](latents)


class MLPPairDiscriminator(FullyConnected):
    """[pixels, latents] -> hidden layers -> one logit. Settings as MLPDiscriminator's, and `latent_dim`.

    Donahue et al. 2017, section 4.1, https://arxiv.org/abs/1605.09782.
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, **more):
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        super().__init__("discriminator", channels * sides_of(image_size).area + latent_dim, 1, **more)

    def forward(self, images: Tensor, latents: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], latents [N, latent_dim], labels [N] (ignored) -> logits [N]"""
        return self.layers(torch.cat([images.flatten(1), latents], 1)).squeeze(1)

    def features(self, images: Tensor, latents: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], latents [N, latent_dim] -> the last hidden layer [N, width]"""
        return self.layers[:-1](torch.cat([images.flatten(1), latents], 1))


class DCGANPairDiscriminator(nn.Module):
    """DCGAN's convolutions of the image and a linear layer of the latents, joined by two linear layers: one logit.

    The form is that of ALI (Dumoulin et al. 2017, section 2.2 and appendix A, https://arxiv.org/abs/1606.00704), with
    DCGAN's convolutions for its own.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    width: maps of H/2 x W/2 pixels, 1 or more
    hidden: numbers in the layer of the latents and in the one that joins both, 1 or more
    kernel_size: pixels, 4 or 5
    normalization: none, batch, layer or instance, of the maps
    negative_slope: of LeakyReLU, at least 0 and below 1
    dropout: probability of dropping a value before each linear layer of both, at least 0 and below 1
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, width: Count = 64,
                 hidden: Count = 512, kernel_size: KernelSize = 4, normalization: Normalization = "batch",
                 negative_slope: BelowOne = 0.2, dropout: BelowOne = 0.0):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.discriminator.hidden": hidden})
        check_maps("discriminator", width, kernel_size, normalization, negative_slope, dropout)
        self.of_images, numbers = halving_blocks(channels, image_size, width, kernel_size, normalization,
                                                 negative_slope, dropout=0.0)
        self.of_latents = nn.Sequential(nn.Linear(latent_dim, hidden), activation(negative_slope))
        self.of_both = nn.Sequential(nn.Dropout(dropout), nn.Linear(numbers + hidden, hidden),
                                     activation(negative_slope), nn.Dropout(dropout))
        self.logit = nn.Linear(hidden, 1)
        normal(self, std=0.02)

    def forward(self, images: Tensor, latents: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], latents [N, latent_dim], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.features(images, latents, labels)).squeeze(1)

    def features(self, images: Tensor, latents: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], latents [N, latent_dim] -> the last hidden layer [N, hidden]"""
        return self.of_both(torch.cat([self.of_images(images).flatten(1), self.of_latents(latents)], 1))
