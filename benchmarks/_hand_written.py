"""The loops that people write by hand, for benchmarks to compare with: no logging, no bar, data in memory."""

import copy
import time
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HandWritten:
    """The non-saturating game on given networks: D on reals and fakes, then G on fresh noise; as fast as it gets."""

    adam: ClassVar[dict] = {"fused": True}
    freezes_discriminator = True  # no gradients for D's weights in G's step

    def __init__(self, generator: nn.Module, discriminator: nn.Module, batch_size: int, latent_dim: int):
        self.generator, self.discriminator = generator, discriminator
        self.batch_size, self.latent_dim = batch_size, latent_dim
        self.labels = torch.zeros(batch_size, dtype=torch.long)
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999), **self.adam)
            for network in (generator, discriminator))

    def noise(self) -> Tensor:
        return torch.randn(self.batch_size, self.latent_dim)

    def step(self, real: Tensor) -> None:
        generator, labels = self.generator, self.labels
        with torch.no_grad():
            fake = generator(self.noise(), labels)
        loss = self.discriminator_loss(real, fake)
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        self.discriminator_optimizer.step()

        self.let_discriminator_learn(False)
        loss = self.generator_loss(generator(self.noise(), labels), real)
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()
        self.let_discriminator_learn(True)
        self.after()

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real_logits, fake_logits = self.discriminator(real, self.labels), self.discriminator(fake, self.labels)
        return (F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
                + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits)))

    def generator_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        logits = self.discriminator(fake, self.labels)
        return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))

    def after(self) -> None:
        """Acts after a step."""

    def let_discriminator_learn(self, learns: bool) -> None:
        if self.freezes_discriminator:
            for parameter in self.discriminator.parameters():
                parameter.requires_grad_(learns)


class Regularised(HandWritten):
    """R3GAN's loss: paired logits, R1 and R2 of the same logits, and a moving average of G."""

    def __init__(self, *given):
        super().__init__(*given)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        sides = [each.detach().requires_grad_() for each in (real, fake)]
        of_real, of_fake = (self.discriminator(each, self.labels) for each in sides)
        slopes = [torch.autograd.grad(logits.sum(), each, create_graph=True)[0].square().sum((1, 2, 3)).mean()
                  for logits, each in zip((of_real, of_fake), sides, strict=True)]
        return F.softplus(of_fake - of_real).mean() + 5 * sum(slopes)

    def generator_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        return F.softplus(self.discriminator(real, self.labels) - self.discriminator(fake, self.labels)).mean()

    @torch.no_grad()
    def after(self) -> None:
        torch._foreach_lerp_([*self.average.parameters()], [*self.generator.parameters()], 0.002)
        if buffers := [*self.average.buffers()]:
            torch._foreach_copy_(buffers, [*self.generator.buffers()])


class AsDocumented(HandWritten):
    """The same game as reports and lessons write it: Adam as it comes, gradients wherever they flow."""

    adam: ClassVar[dict] = {}
    freezes_discriminator = False


def seconds_from_memory(loop: HandWritten, images: Tensor, padding: int, steps: int, warm_up: int) -> float:
    """images: uint8 [N, 1, H, W], shuffled once an epoch, a batch gathered at once -> seconds for `steps` steps"""
    size, order, started = loop.batch_size, torch.randperm(len(images)), 0.0
    per_epoch = len(images) // size
    for index in range(warm_up + steps):
        if index == warm_up:
            started = time.perf_counter()
        if index % per_epoch == 0:
            order = torch.randperm(len(images))
        at = index % per_epoch * size
        batch = F.pad(images[order[at:at + size]], [padding] * 4)
        loop.step(batch.float().div_(127.5).sub_(1))
    return time.perf_counter() - started


def seconds_from_loader(loop: HandWritten, loader, steps: int, warm_up: int) -> float:
    """As the documents do it: a torchvision data set, transformed image by image, behind a DataLoader."""
    started, index = 0.0, 0
    while True:
        for real, _ in loader:
            if index == warm_up:
                started = time.perf_counter()
            if index == warm_up + steps:
                return time.perf_counter() - started
            loop.step(real)
            index += 1
