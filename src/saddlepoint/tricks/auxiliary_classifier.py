"""The class terms of ACGAN: D also classifies images, and G learns to make images of the class it is given."""

from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.networks import HasClassLogits
from saddlepoint.game.precision import exact
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import DiscriminatorStep, GeneratorStep, Shown, Step, parts
from saddlepoint.game.trick import Trick


class AuxiliaryClassifier(Trick):
    """weight * -E[log P(y | x)], y the class of a real image x or the one a fake was made for; P is D's softmax.

    D's term is on reals, and on fakes as well with `fakes`; G's is on fakes. Odena, Olah and Shlens 2017, eq. 3,
    https://arxiv.org/abs/1610.09585: both weights 1, with fakes. WGAN-GP's code for labelled CIFAR-10 (Gulrajani et al.
    2017, https://arxiv.org/abs/1704.00028): 1 in D, 0.1 in G, reals only.

    `step.score` returns no class logits, so D is run once more on the images that it classifies. Where D is updated on
    half a batch at a time (model.turns.scoring=half), each update has the term of its own images.
    """

    provides = frozenset({"class_terms"})

    def __init__(self, discriminator_weight: Schedule | NonNegative = 1.0,
                 generator_weight: Schedule | NonNegative = 0.1,
                 fakes: bool = False):
        super().__init__()
        where = "tricks.auxiliary_classifier"
        self.discriminator_weight = as_schedule(discriminator_weight, f"{where}.discriminator_weight", low=0)
        self.generator_weight = as_schedule(generator_weight, f"{where}.generator_weight", low=0)
        self.fakes = fakes

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        name = self.name_in(recipe)
        without = {"trick": recipe.trick_list(without=[name])}
        if not isinstance(recipe.discriminator, HasClassLogits):
            yield Problem(f"trick=[{name}] needs a discriminator that also tells classes apart, which "
                          f"{type(recipe.discriminator).__name__} does not: type model=acgan or model=acgan_dcgan, or "
                          "leave the trick out", instead=without)
        if not recipe.num_classes:
            yield Problem(f"trick=[{name}] learns the classes of images, and the data has none (data.num_classes=0): "
                          "choose data with classes, or leave the trick out", instead=without)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"discriminator_weight": self.discriminator_weight, "generator_weight": self.generator_weight}

    def discriminator_loss(self, step: DiscriminatorStep) -> Tensor | None:
        terms = [cross_entropy(step, side.shown, side.labels) for side in step.sides
                 if side.name == "real" or self.fakes]
        return step.value(self.discriminator_weight) * sum(terms) if terms else None

    def generator_loss(self, step: GeneratorStep) -> Tensor:
        return step.value(self.generator_weight) * cross_entropy(step, step.fake, step.fake_labels)


def cross_entropy(step: Step, shown: Shown, labels: Tensor) -> Tensor:
    """Returns the cross-entropy [] of D's classes for images [n, C, H, W], after input tricks, with labels [n]."""
    return F.cross_entropy(exact(step.discriminator.class_logits(*parts(step.prepare(shown)), labels)), labels)
