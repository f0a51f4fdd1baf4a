"""Historical averaging: players are held near the mean of where they have been."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Step, Update
from saddlepoint.game.trick import Trick
from saddlepoint.tricks.ema import move_towards


class HistoricalAveraging(Trick):
    """weight * ||theta - 1/t sum_{i=1..t} theta_i||^2 in a player's loss, theta_1, ..., theta_t its weights so far.

    Salimans et al. 2016, section 3.2, https://arxiv.org/abs/1606.03498. theta_1 are the first weights, and each turn
    of the player on a batch adds the next, also one in which it rests; theta_t are those of now. The mean is a constant
    of the loss. It takes as much memory as the player. All weights of all networks of a player are one vector, and the
    term counts once in an update.

    generator_weight, discriminator_weight: 0 or more; a player with the weight 0 (a number, no schedule) has no mean
    """

    def __init__(self, generator_weight: Schedule | NonNegative = 1.0,
                 discriminator_weight: Schedule | NonNegative = 1.0):
        super().__init__()
        where = "tricks.historical_averaging"
        weights = {"generator": generator_weight, "discriminator": discriminator_weight}
        self.averaged = [player for player, weight in weights.items() if weight != 0]
        self.generator_weight = as_schedule(generator_weight, f"{where}.generator_weight", low=0)
        self.discriminator_weight = as_schedule(discriminator_weight, f"{where}.discriminator_weight", low=0)

    def schedules(self) -> Mapping[str, Schedule]:
        return {f"{player}_weight": getattr(self, f"{player}_weight") for player in PLAYERS}

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        players = {"generator": generator, "discriminator": discriminator}
        self.players = {player: players[player] for player in self.averaged}  # a dictionary, so no part of the trick
        for player in self.averaged:
            means = nn.Module()
            for place, weight in enumerate(players[player].parameters()):
                means.register_buffer(f"mean_{place}", weight.detach().clone())
            means.register_buffer("count", torch.ones(()))  # of weights in the mean
            self.add_module(player, means)

    def weights_loss(self, player: str, step: Step) -> Tensor | None:
        if player not in self.averaged:
            return None
        distances = [(weight - mean).square().sum() for weight, mean in zip(
            self.players[player].parameters(), self.means(player), strict=True)]
        return step.value(getattr(self, f"{player}_weight")) * torch.stack(distances).sum()

    def after_generator_step(self, update: Update) -> None:
        self.take_in("generator", update)

    def after_discriminator_step(self, update: Update) -> None:
        self.take_in("discriminator", update)

    @torch.no_grad()
    def take_in(self, player: str, update: Update) -> None:
        """Takes the player's weights of now into their mean, unless the update was left out."""
        if player not in self.averaged:
            return
        count, is_new = getattr(self, player).count, 1.0 if update.left_out is None else 1 - update.left_out
        count += is_new
        move_towards(self.means(player), list(self.players[player].parameters()), is_new / count)

    def means(self, player: str) -> list[Tensor]:
        """Returns the means of a player's weights, in the order of its parameters."""
        return [buffer for name, buffer in getattr(self, player).named_buffers() if name != "count"]
