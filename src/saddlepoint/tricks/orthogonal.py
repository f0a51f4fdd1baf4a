"""Orthogonal regularisation: the filters of each layer are pulled apart.

g groups of a convolution, 1 in other layers; F filters in a group, of K numbers each.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized

from saddlepoint.config.rules import NonNegative, one_of
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Step
from saddlepoint.game.trick import Trick

FORMS = ("off_diagonal", "identity")


class Orthogonal(Trick):
    """weight * sum over layers of ||W^T W * (1 - I)||_F^2 in a player's loss, the filters being the columns of W.

    Brock, Donahue and Simonyan 2019 (BigGAN), section 3.1, eq. 3, https://arxiv.org/abs/1809.11096: filters of a layer
    are to be at right angles, and their lengths are free. With form=identity it is eq. 2, ||W^T W - I||_F^2, of Brock
    et al. 2017, https://arxiv.org/abs/1609.07093: lengths are to be 1 as well. Either can be 0 only where K >= F.
    The authors' code adds half of the gradient of eq. 3, so that its strength of 1e-4 is a weight of 5e-5 here.

    It is about the weights of linear layers and convolutions, before spectral normalisation, which would hide their
    lengths. Embeddings of classes, among them the one that BigGAN's layers share, biases and scales are left out.
    Filters of different groups of a convolution see different maps and are not compared.

    generator_weight, discriminator_weight: 0 or more; a player with the weight 0 (a number, no schedule) has no term
    form: off_diagonal (eq. 3) or identity (eq. 2)
    """

    def __init__(self, generator_weight: Schedule | NonNegative = 1e-4,
                 discriminator_weight: Schedule | NonNegative = 0.0, form: Annotated[str, one_of(*FORMS)] = FORMS[0]):
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"tricks.orthogonal.form={form} must be one of {', '.join(FORMS)}")
        weights = {"generator": generator_weight, "discriminator": discriminator_weight}
        self.form, self.held = form, [player for player, weight in weights.items() if weight != 0]
        self.generator_weight = as_schedule(generator_weight, "tricks.orthogonal.generator_weight", low=0)
        self.discriminator_weight = as_schedule(discriminator_weight, "tricks.orthogonal.discriminator_weight", low=0)

    def schedules(self) -> Mapping[str, Schedule]:
        return {f"{player}_weight": getattr(self, f"{player}_weight") for player in PLAYERS}

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.players = {"generator": generator, "discriminator": discriminator}  # a dictionary, so no part of the trick

    def weights_loss(self, player: str, step: Step) -> Tensor | None:
        if player not in self.held:
            return None
        terms = [self.distance(filters) for filters in filters_of(self.players[player])]
        return step.value(getattr(self, f"{player}_weight")) * torch.stack(terms).sum() if terms else None

    def distance(self, filters: Tensor) -> Tensor:
        """filters [g, F, K] -> ||W^T W * (1 - I)||_F^2 or ||W^T W - I||_F^2 [], summed over the groups; float32"""
        with torch.autocast(filters.device.type, enabled=False):
            products = filters @ filters.mT  # [g, F, F]
        lengths = products.diagonal(dim1=1, dim2=2)
        wanted = torch.ones_like(lengths) if self.form == "identity" else lengths
        return (products - torch.diag_embed(wanted)).square().sum()


def filters_of(player: nn.Module) -> Iterator[Tensor]:
    """Yields the filters [g, F, K] of each layer of a player that is trained and has a matrix of weights."""
    for layer in player.modules():
        parametrised = is_parametrized(layer, "weight")
        weight = layer.parametrizations.weight.original if parametrised else layer._parameters.get("weight")
        if weight is None or weight.ndim < 2 or not weight.requires_grad or isinstance(layer, nn.Embedding):
            continue
        is_convolution = isinstance(layer, _ConvNd)
        grouped = weight.unflatten(0, (layer.groups if is_convolution else 1, -1))
        if is_convolution and layer.transposed:
            grouped = grouped.transpose(1, 2)  # torch has a transposed convolution's inputs before its filters
        yield grouped.flatten(2)
