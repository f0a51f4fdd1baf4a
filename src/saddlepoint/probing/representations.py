"""Turns images into the numbers that a linear classifier is given: pixels, or what the layers of a network compute.

N images of C channels and H x W pixels, M feature maps, D numbers of an image.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from saddlepoint.data.pixels import to_unit_range
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import device_of

SIDE = 4  # of feature maps after pooling, as in the paper
BLOCK = 250  # images computed at once

Representation = Callable[[Tensor], Tensor]  # images [N, C, H, W] uint8 -> numbers [N, D] float32


def of_pixels(images: Tensor) -> Tensor:
    """images [N, C, H, W] uint8 -> their pixels [N, C H W] in [-1, 1]"""
    return to_unit_range(images).flatten(1)


def pooled(activations: Tensor) -> Tensor:
    """activations [N, M, H, W] -> the largest of each map in each of 4x4 parts, as vectors [N, 16 M]. Sides below 4
    stay as they are, and so do vectors [N, D]."""
    if activations.dim() == 4:
        sides = [min(side, SIDE) for side in activations.shape[-2:]]
        activations = functional.adaptive_max_pool2d(activations, sides)
    return activations.flatten(1)


class LayerOutputs:
    """The outputs of a network's hidden layers, each max-pooled to 4x4, flattened and put one after the other: images
    [N, C, H, W] uint8 -> [N, D].

    Radford, Metz and Chintala 2016, section 5.1, https://arxiv.org/abs/1511.06434, where D is 28,672.

    network: a discriminator with `features`, or an encoder; it is set to evaluation mode
    layers: which of `features`, from 1, the layer next to the image; None: all
    name: of the network in sentences, e.g. discriminator
    """

    def __init__(self, network: nn.Module, layers: Sequence[int] | None, name: str):
        if not hasattr(network, "features"):
            raise RequestError(f"network={name}: {type(network).__name__} does not show its hidden layers: it needs "
                               "the method features, as saddlepoint.networks.DCGANDiscriminator has it")
        self.network, self.layers, self.name = network.requires_grad_(False).eval(), layers, name

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([self._of_block(block) for block in images.split(BLOCK)])

    def check(self, images: Tensor) -> None:
        """Raises a RequestError if the network takes other images than these [N, C, H, W] uint8, if it reads classes,
        which are what a probe has to find out, or if it lacks one of the layers."""
        images, zero = images[:2], torch.zeros(len(images[:2]), dtype=torch.long)
        size = " x ".join(map(str, images.shape[1:]))
        try:
            blind, told = self._features(images, zero), self._features(images, zero + 1)
        except (RuntimeError, TypeError, IndexError) as error:
            raise RequestError(f"network={self.name}: this run's {self.name} cannot be shown single images of {size} "
                               f"alone ({error}). Probe another run, or network=encoder where the run has one"
                               ) from error
        if any(not torch.equal(*both) for both in zip(blind, told, strict=True)):
            raise RequestError(f"network={self.name}: this run's {self.name} reads the class of an image, which a "
                               "probe must not be told: probe a run of a model whose discriminator sees images "
                               "alone, e.g. model=dcgan")
        if self.layers and max(self.layers) > len(blind):
            raise RequestError(f"layers={[*self.layers]}: this run's {self.name} has the layers 1 to {len(blind)}, "
                               f"from the image inwards: type layers=[{len(blind)}] for the last")

    def _features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        device = device_of(self.network)
        features = self.network.features(to_unit_range(images).to(device), labels.to(device))
        return [features] if isinstance(features, Tensor) else features

    @torch.no_grad()
    def _of_block(self, images: Tensor) -> Tensor:
        features = self._features(images, torch.zeros(len(images), dtype=torch.long))
        chosen = features if self.layers is None else [features[layer - 1] for layer in self.layers]
        return torch.cat([pooled(each) for each in chosen], 1).float().cpu()
