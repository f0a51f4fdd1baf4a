"""Images from noise."""

import torch
from torch import Tensor

from saddlepoint.batches import ImageBatch
from saddlepoint.modules.adversarial import AdversarialModule
from saddlepoint.modules.draws import Draws
from saddlepoint.modules.latents import Latents, classes_at


class SynthesisModule(AdversarialModule):
    """Fakes are G(z, y), z from `latents` and y from the classes of the data, in their proportions."""

    def __init__(self, latents: Latents, num_classes: int = 0, **game):
        super().__init__(**game)
        self.latents = latents
        self.draws_labels = any(getattr(network, "num_classes", 0) for network in (self.generator, self.discriminator))
        uniform = torch.linspace(0, 1, num_classes + 1)[1:] if num_classes else torch.ones(1)
        self.register_buffer("class_distribution", uniform)  # [K] cumulative

    def follow_classes(self, counts: Tensor) -> None:
        """counts [K]: how many images each class has; labels of fakes follow them."""
        self.class_distribution.copy_(counts.double().cumsum(0) / counts.sum())

    def labels(self, count: int, draws: Draws) -> Tensor:
        """-> [count] class ids; all zero when the data has no classes or both networks ignore them"""
        if not self.draws_labels:
            return torch.zeros(count, dtype=torch.long, device=self.device)
        return classes_at(self.class_distribution, draws.uniform("labels", (count,)))

    def generate(self, batch: ImageBatch, count: int, draws: Draws) -> tuple[Tensor, Tensor]:
        labels = self.labels(count, draws)
        return self.generator(self.latents.draw(draws, count), labels), labels
