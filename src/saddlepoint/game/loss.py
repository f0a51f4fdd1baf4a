"""The base classes of losses. An adversarial loss is what both players minimise; a content loss is added to G's.

D(.) is a logit. Logits are [N], or [N, 1, h, w] with one for each patch; means are over patches too.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, ClassVar

from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative, one_of
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Targets

REDUCTIONS = {"sum": 1.0, "mean": 0.5}
DURING = ("always", "warmup", "game")  # phases of training in which a content loss counts
During = Annotated[str, one_of(*DURING)]


class AdversarialLoss(ABC):
    """What D and what G minimise, as functions of logits.

    `reduction` says how a player combines its term on reals with its term on fakes: `sum` adds them, as most papers do;
    `mean` averages them, which halves the value and the gradient. A player with one term has the same loss with both.
    """

    uses_targets: ClassVar[bool] = False  # True: real and fake targets exist, and tricks may soften or flip them
    needs_real_logits: ClassVar[bool] = False  # True: the generator is scored against real images
    boundary: float | None = None  # the logit between real and fake; None: only differences count

    def __init__(self, reduction: Annotated[str, one_of(*REDUCTIONS)] = "sum"):
        if reduction not in REDUCTIONS:
            raise ValueError(f"loss.reduction={reduction} must be one of {', '.join(REDUCTIONS)}")
        self.share = REDUCTIONS[reduction]

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
        """Returns D's loss [] from the logits of reals and of fakes; reads `targets` only where `uses_targets`."""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Returns G's loss [] from the logits of fakes, and of reals where `needs_real_logits` is True."""

    def of_both_sides(self, fake: Tensor, real: Tensor) -> Tensor:
        """Returns G's loss [] where it made the reals as well, e.g. (x, E(x)) of ALI, and wants D wrong about both.

        By default G's term on reals is its term on fakes mirrored at the logit 0. A loss whose D tells the sides apart
        elsewhere overrides this.
        """
        if self.needs_real_logits:
            return self.generator(fake, real)
        return self.share * (self.generator(fake) + self.generator(-real))

    def probability(self, logits: Tensor) -> Tensor | None:
        """Returns the probability that D gives an image of being real, in [0, 1]; None where logits define none."""
        return None

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor | None:
        """Returns the share of logits [] so confident that D learns almost nothing from them, in [0, 1].

        It is the mean of the share of reals and that of fakes; None where the gradient never vanishes.
        """
        return None

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        """Yields the reasons why this loss cannot train this recipe."""
        return ()


class SeparableLoss(AdversarialLoss):
    """A loss whose D part is a term on reals plus a term on fakes, so `model.turns.scoring=half` can use one alone."""

    def discriminator(self, real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
        return self.real_term(real, targets) + self.fake_term(fake, targets)

    @abstractmethod
    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        """Returns D's term [] on the logits of reals."""

    @abstractmethod
    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        """Returns D's term [] on the logits of fakes."""


class ContentLoss(nn.Module):
    """A term of G's loss that compares its image with a target, times `weight` (0 or more).

    `during` says when it counts: `warmup`, while G trains without D; `game`, after that; or `always`.
    """

    def __init__(self, weight: NonNegative, during: During):
        super().__init__()
        if during not in DURING:
            raise ValueError(f"model.content.*.during={during} must be always, warmup or game")
        self.weight, self.during = weight, during

    def counts(self, playing: bool) -> bool:
        """Returns whether the loss counts now; `playing` is False while G trains without D."""
        return self.during == "always" or (self.during == "game") == playing
