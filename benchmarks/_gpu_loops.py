"""Loops written by hand on a GPU, with which gpu.py compares train.py's path."""

from typing import ClassVar

import torch
from _hand_written import HandWritten, Regularised
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 64


class OnDevice(HandWritten):
    """Plays the hand-written game where its networks are."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, batch_size: int, latent_dim: int):
        super().__init__(generator, discriminator, batch_size, latent_dim)
        self.device = next(generator.parameters()).device
        self.labels = self.labels.to(self.device)

    def noise(self) -> Tensor:
        return torch.randn(self.batch_size, self.latent_dim, device=self.device)


class Recordable(OnDevice):
    """The same, with an Adam that may be part of a CUDA graph."""

    adam: ClassVar[dict] = {"fused": True, "capturable": True}


class BatchesOnDevice:
    """Gathers batches [N, 1, 32, 32] from 5,000 random images that are in the device's memory."""

    def __init__(self, device: torch.device, count: int = 5000):
        self.images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, device=device)
        self.order, self.first = torch.randperm(count, device=device), 0

    def __call__(self) -> Tensor:
        self.first = (self.first + BATCH) % (len(self.order) - BATCH)
        chosen = self.images.index_select(0, self.order[self.first:self.first + BATCH])
        return F.pad(chosen, [2] * 4).float().div_(127.5).sub_(1)


class Hinge(Recordable):
    """SNGAN's loss. Its discriminator has torch's spectral norm in every layer."""

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return (F.relu(1 - self.discriminator(real, self.labels)).mean()
                + F.relu(1 + self.discriminator(fake, self.labels)).mean())

    def generator_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        return -self.discriminator(fake, self.labels).mean()


class WithPenalty(Recordable):
    """WGAN-GP's loss."""

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1, device=self.device)
        mixed = (share * real + (1 - share) * fake).requires_grad_()
        norms = self.squared_slope(mixed).sqrt()
        scores = self.discriminator(fake, self.labels).mean() - self.discriminator(real, self.labels).mean()
        return scores + 10 * (norms - 1).square().mean()

    def generator_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        return -self.discriminator(fake, self.labels).mean()

    def squared_slope(self, images: Tensor) -> Tensor:
        [slope] = torch.autograd.grad(self.discriminator(images, self.labels).sum(), images, create_graph=True)
        return slope.square().sum((1, 2, 3)) + 1e-12


class RegularisedOnDevice(Regularised, Recordable):
    """R3GAN's loss, where the networks are."""
