"""The contracts of losses: what each player minimises (adversarial) and what a generator minimises beside the game
(content).

D(.) is a logit. Logits are [N], or [N, 1, h, w] with one for each patch; means run over patches too.
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
    """`reduction` says what a player with one term on reals and one on fakes does with them: it adds them (`sum`, as
    most papers) or averages them (`mean`, half the value and half the gradient). One term alone is the same in both."""

    uses_targets: ClassVar[bool] = False  # True: real and fake targets exist, and tricks may soften or flip them
    needs_real_logits: ClassVar[bool] = False  # True: the generator is scored against real images
    boundary: ClassVar[float | None] = None  # the logit between real and fake; None: only differences count

    def __init__(self, reduction: Annotated[str, one_of(*REDUCTIONS)] = "sum"):
        if reduction not in REDUCTIONS:
            raise ValueError(f"loss.reduction={reduction} must be one of {', '.join(REDUCTIONS)}")
        self.share = REDUCTIONS[reduction]

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
        """logits of reals, logits of fakes -> []; targets are read only where `uses_targets`"""

    @abstractmethod
    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """logits of fakes, and of reals where `needs_real_logits` -> []"""

    def probability(self, logits: Tensor) -> Tensor | None:
        """What D takes for the probability that an image is real; None where logits do not say."""
        return None

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor | None:
        """The share of logits that D is so sure about that it learns nothing more from them, the mean of the reals' and
        the fakes' -> []; None where a loss goes on for ever."""
        return None

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        return ()


class SeparableLoss(AdversarialLoss):
    """D's loss is a term on reals plus a term on fakes, so `model.turns.scoring=half` can update on either alone."""

    def discriminator(self, real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
        return self.real_term(real, targets) + self.fake_term(fake, targets)

    @abstractmethod
    def real_term(self, real: Tensor, targets: Targets) -> Tensor: ...

    @abstractmethod
    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor: ...


class ContentLoss(nn.Module):
    """`during`: warmup (while G is alone), game (after that) or always"""

    def __init__(self, weight: NonNegative, during: During):
        super().__init__()
        if during not in DURING:
            raise ValueError(f"model.content.*.during={during} must be always, warmup or game")
        self.weight, self.during = weight, during

    def counts(self, playing: bool) -> bool:
        return self.during == "always" or (self.during == "game") == playing
