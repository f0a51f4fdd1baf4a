"""Shows how weights and gradients are distributed, in the loggers that show histograms."""

import sys
from collections.abc import Iterator, Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint.config.rules import WholeNumber
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.networks import PLAYERS
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.loggers import adapters


class Histograms(AtMoments):
    """A callback that shows a histogram of each trained tensor, weights/<name>, and of its gradient in the player's
    newest update, weights_gradient/<name>. Numbers that are not finite are left out.

    every_images: images between two looks; `auto`: 20 of them over the budget; None: only at the end
    moments: numbers of images seen at which to look as well; 0 is before the first step
    """

    setting = "callbacks.histograms"

    def __init__(self, every_images: Pace, moments: Sequence[WholeNumber]):
        super().__init__(every_images, moments)

    def begin(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        if trainer.is_global_zero and not any(map(adapters.shows_histograms, trainer.loggers)):
            print(f"note: {self.setting} has nothing to show histograms in: type logger=tensorboard or logger=wandb",
                  file=sys.stderr)

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        for tag, tensor in tensors(module):
            numbers = tensor.detach().float().flatten()
            if len(numbers := numbers[numbers.isfinite()]):
                adapters.show_histogram(trainer.loggers, tag, numbers, self.acted_at)


def tensors(module: AdversarialModule) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors that the optimizers train, and their gradients where there have been any, with their tags."""
    with torch.no_grad():
        for player in PLAYERS:
            for name, parameter in module.trained_parameters(player):
                yield f"weights/{name}", parameter
                if parameter.grad is not None:
                    yield f"weights_gradient/{name}", parameter.grad
