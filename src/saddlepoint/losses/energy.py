"""The loss of discriminators that are autoencoders: an image's energy is the error of its reconstruction."""

from collections.abc import Iterable
from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import Positive, one_of
from saddlepoint.game.loss import REDUCTIONS, SeparableLoss
from saddlepoint.game.networks import IsAutoencoder
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Targets


class EBGAN(SeparableLoss):
    """D: E[e(x)] + E[max(0, m - e(G(z)))]
    G: E[e(G(z))]

    Zhao, Mathieu and LeCun 2017 (EBGAN), equations 1 and 2, https://arxiv.org/abs/1609.03126. e is the energy, the
    error with which D, an autoencoder, reconstructs an image. D's logit is -e, so that a larger logit is more real, as
    with every loss.

    margin: m above 0, in the units of e: up to this error D learns to reconstruct fakes badly
    """

    def __init__(self, reduction: Annotated[str, one_of(*REDUCTIONS)] = "sum", margin: Positive = 1.0):
        super().__init__(reduction)
        if margin <= 0:
            raise ValueError(f"loss.margin={margin} must be above 0: at an error of 0 there is nothing to tell apart")
        self.margin = margin

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts e(G(z)) >= m, where the gradient is 0; the gradient on reals is the same everywhere."""
        return (-fake >= self.margin).float().mean() / 2

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return -self.share * real.mean()

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * F.relu(self.margin + fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        for name, network in recipe.discriminators.items():
            if not isinstance(network, IsAutoencoder):
                yield Problem(f"loss={recipe.loss_name} takes the logit for an error of reconstruction, and "
                              f"{type(network).__name__} (model.{name}) reconstructs nothing: type model=ebgan, or "
                              "another loss, e.g. loss=nonsaturating")
