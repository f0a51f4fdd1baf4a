"""Features that an inversion compares beside pixels. N images of C channels and H x W pixels, in [-1, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saddlepoint.errors import RequestError
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.networks import HasFeatures
from saddlepoint.sampling.inversion import Features

FIT = 2  # images with which it is tried whether a discriminator takes images alone


def of_discriminator(module: AdversarialModule, image_shape: Sequence[int]) -> Features:
    """Returns the last hidden layer of the game's discriminator as features (AnoGAN: Schlegl et al. 2017, section 2.2,
    https://arxiv.org/abs/1703.05921). Raises a RequestError if it has none of images [C, H, W] alone."""
    discriminator = module.networks["discriminator"].requires_grad_(False).eval()

    def features(images: Tensor, labels: Tensor) -> list[Tensor]:
        layers = discriminator.features(images, labels)
        return [layers if isinstance(layers, Tensor) else layers[-1]]
    try:
        if not isinstance(discriminator, HasFeatures):
            raise TypeError(f"{type(discriminator).__name__} has no method of this name")
        with torch.no_grad():
            features(torch.zeros(FIT, *image_shape), torch.zeros(FIT, dtype=torch.long))
    except (TypeError, RuntimeError) as error:
        raise RequestError("features=discriminator: this run's discriminator gives no features of single images "
                           f"({str(error).splitlines()[0]}): type features=none, or features=perceptual "
                           "perceptual=random") from error
    return features


def of_network(network: nn.Module) -> Features:
    """Returns the layers of a network of perceptual= as features."""
    def features(images: Tensor, labels: Tensor) -> list[Tensor]:
        return [*network((images + 1) / 2).values()]
    return features
