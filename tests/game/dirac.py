"""Dirac-GAN: the game of two numbers, theta of G and psi of D, in float64. The equilibrium is at 0.

The data is the point 0, G makes the point theta, and D(x) = psi x + boundary. Mescheder, Geiger and Nowozin 2018,
section 2, https://arxiv.org/abs/1801.04406.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from saddlepoint.game.batches import PointBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.linearisation import GameField, gaussian_pairs
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.networks.points import DiracDiscriminator, DiracGenerator


def dirac_game(loss: AdversarialLoss, tricks: Mapping[str, Trick] | None = None, turns: Turns | None = None,
               rate: float = 0.1) -> SynthesisModule:
    """Returns a game in which both players descend their gradient with this rate."""
    def descend(parameters):
        return torch.optim.SGD(parameters, lr=rate)

    discriminator = DiracDiscriminator()
    discriminator.follow_loss(loss.boundary)
    module = SynthesisModule(Latents(1), 0, generator=DiracGenerator(1), discriminator=discriminator, loss=loss,
                             tricks=tricks or {}, optimizers=Optimizers(descend, descend), turns=turns or Turns())
    return module.double()


def dirac_batch(count: int = 1) -> PointBatch:
    return PointBatch(torch.zeros(count, 1, dtype=torch.float64), torch.zeros(count, dtype=torch.long))


def dirac_field(loss: AdversarialLoss, tricks: Mapping[str, Trick] | None = None) -> GameField:
    """Returns the field in which instance noise has its mean over all noise."""
    if "instance_noise" not in (tricks or {}):
        return GameField(dirac_game(loss, tricks), dirac_batch())
    noise = gaussian_pairs()
    return GameField(dirac_game(loss, tricks), dirac_batch(len(noise[0])), {"instance_noise": noise})


def points(*numbers: float) -> Tensor:
    """Returns a point (theta, psi)."""
    return torch.tensor(numbers, dtype=torch.float64)
