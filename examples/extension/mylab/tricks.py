"""A trick that adds a term to the generator's loss."""

from collections.abc import Iterable

from torch import Tensor

from saddlepoint.game.networks import HasFeatures
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Step
from saddlepoint.game.trick import Trick


class HiddenMatching(Trick):
    """weight * mean over D's hidden layers of |E[f(x)] - E[f(G(z))]|^2, in the generator's loss.

    After Salimans et al. 2016, section 3.1, https://arxiv.org/abs/1606.03498, with means where the trick
    feature_matching has sums. `weight` is 0 or more; with `last_only` the last hidden layer alone counts.
    """

    def __init__(self, weight: float = 1.0, last_only: bool = True):
        super().__init__()
        if weight < 0:
            raise ValueError(f"tricks.hidden_matching.weight={weight} must be 0 or more")
        self.weight, self.last_only = weight, last_only

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        if not isinstance(recipe.discriminator, HasFeatures):
            yield Problem(f"trick={self.name_in(recipe)} compares what the discriminator sees, and this one does not "
                          "show it (it has no method `features`): choose another model, e.g. model=dcgan")

    def generator_loss(self, step: Step) -> Tensor:
        fake = step.discriminator.features(step.prepare(step.fake), step.fake_labels)
        real = step.discriminator.features(step.prepare(step.real), step.real_labels)
        pairs = list(zip(fake, real, strict=True))[-1 if self.last_only else 0:]
        return self.weight * sum((f.mean(0) - r.detach().mean(0)).square().mean() for f, r in pairs) / len(pairs)
