"""Tricks on the targets of a loss that has them: what D(x) should be, as a probability, for real and for fake.

They act in D's step only: G's loss never sees a target. N reals, M fakes.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from saddlepoint.config.rules import Probability
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Step, Targets
from saddlepoint.game.trick import Trick


class TargetTrick(Trick):
    """Needs a loss with targets."""

    softens_targets = True

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        if not recipe.loss.uses_targets:
            on_targets = [name for name, trick in recipe.tricks.items() if trick.softens_targets]
            yield Problem(
                f"trick=[{self.name_in(recipe)}] changes the targets of real and fake, and loss={recipe.loss_name} "
                "compares scores without any",
                instead={"trick": recipe.trick_list(without=on_targets)})


class LabelSmoothing(TargetTrick):
    """Target 1 becomes `real`, target 0 becomes `fake`, and what lies between moves along.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498, section 3.4: one-sided (fake stays 0), since a positive
    target for fakes holds them where they are. Linear, so that it does the same before and after label_flip.
    """

    def __init__(self, real: Schedule | Probability = 0.9, fake: Schedule | Probability = 0.0):
        super().__init__()
        self.real = as_schedule(real, "tricks.label_smoothing.real", low=0, high=1)
        self.fake = as_schedule(fake, "tricks.label_smoothing.fake", low=0, high=1)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"real": self.real, "fake": self.fake}

    def targets(self, targets: Targets, step: Step) -> Targets:
        real, fake = self.real(step.images_seen), self.fake(step.images_seen)
        return Targets(*(fake + (real - fake) * target for target in targets))


class LabelFlip(TargetTrick):
    """Each image swaps its target for that of the other kind with `probability`: targets [] -> real [N], fake [M].

    Chintala et al. 2016, https://github.com/soumith/ganhacks, point 6: noisy labels for the discriminator.
    """

    def __init__(self, probability: Schedule | Probability = 0.05):
        super().__init__()
        self.probability = as_schedule(probability, "tricks.label_flip.probability", low=0, high=1)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"probability": self.probability}

    def targets(self, targets: Targets, step: Step) -> Targets:
        return Targets(
            real=torch.where(self.flipped(step.real, step), targets.fake, targets.real),
            fake=torch.where(self.flipped(step.fake, step), targets.real, targets.fake),
        )

    def flipped(self, images: Tensor, step: Step) -> Tensor:
        """images [n, C, H, W] -> [n] bool"""
        return step.random.uniform("label_flip", images.shape[:1]) < self.probability(step.images_seen)
