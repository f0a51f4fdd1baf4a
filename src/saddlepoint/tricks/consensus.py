"""Consensus optimisation: both players also make the gradients of both smaller."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Update
from saddlepoint.game.trick import Trick
from saddlepoint.parallel.collectives import global_mean


class Consensus(Trick):
    """Adds gamma/2 ||v||^2 to both losses, v = (dL_D/dpsi, dL_G/dtheta) the gradients of what D and G each minimise.

    Mescheder, Nowozin and Geiger 2017, section 4, https://arxiv.org/abs/1705.10461. Near an equilibrium at which v has
    the Jacobian J, both players follow -(J + gamma J^T J) instead of -J. Its eigenvalues lie further to the left, so
    that larger steps converge. With a large gamma other points attract as well at which v is 0.

    L_D and L_G are the losses with all their terms but this one. The trick needs both gradients at the same weights,
    i.e. model.turns.order=simultaneous, and the second derivatives of both networks, which take several times as long
    as the first. With BatchNorm v is the gradient of the batch as a whole, through its mean and variance, and running
    statistics are still updated once an update. An optimizer such as Adam scales the sum of a player's own gradient and
    this one's; the authors use RMSProp. With several processes v is its mean over them before it is squared.

    gamma: 0 or more, 0.1 to 10 in practice; 10 for the authors' mixture of Gaussians
    """

    def __init__(self, gamma: Schedule | NonNegative = 10.0):
        super().__init__()
        self.gamma = as_schedule(gamma, "tricks.consensus.gamma", low=0)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"gamma": self.gamma}

    def both_losses(self, losses: Mapping[str, Tensor], parameters: Mapping[str, Sequence[nn.Parameter]],
                    update: Update) -> dict[str, Tensor]:
        gradients = [gradient.flatten() for player, loss in losses.items() for gradient in torch.autograd.grad(
            loss, parameters[player], create_graph=True, allow_unused=True) if gradient is not None]
        squared_norm = global_mean(torch.cat(gradients)).square().sum()
        return dict.fromkeys(losses, update.value(self.gamma) / 2 * squared_norm)
