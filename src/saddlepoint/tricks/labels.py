"""Tricks that change the targets of D's loss: the probabilities it is trained to give reals and fakes.

They act in D's step only, because G's loss has no targets. N reals, M fakes.
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
    """A trick that changes targets, and so needs a loss that has them."""

    softens_targets = True

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        if not recipe.loss.uses_targets:
            on_targets = [name for name, trick in recipe.tricks.items() if trick.softens_targets]
            yield Problem(
                f"trick=[{self.name_in(recipe)}] changes the targets of real and fake, and loss={recipe.loss_name} "
                "compares scores without any",
                instead={"trick": recipe.trick_list(without=on_targets)})


class LabelSmoothing(TargetTrick):
    """Target 1 becomes `real`, target 0 becomes `fake`, and targets in between are mapped linearly.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498, section 3.4: one-sided (fake stays 0), because a
    positive target for fakes would make G keep them as they are. Linear, so that its order with label_flip is free.
    """

    def __init__(self, real: Schedule | Probability = 0.9, fake: Schedule | Probability = 0.0):
        super().__init__()
        self.real = as_schedule(real, "tricks.label_smoothing.real", low=0, high=1)
        self.fake = as_schedule(fake, "tricks.label_smoothing.fake", low=0, high=1)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"real": self.real, "fake": self.fake}

    def targets(self, targets: Targets, step: Step) -> Targets:
        fake = step.value(self.fake)
        distance = step.value(lambda images_seen: self.real(images_seen) - self.fake(images_seen))
        return Targets(*(fake + distance * target for target in targets))


class LabelFlip(TargetTrick):
    """Targets of the other kind, with `probability` for each image: targets [] -> real [N], fake [M].

    Chintala et al. 2016, https://github.com/soumith/ganhacks, point 6: noisy labels for the discriminator.
    """

    def __init__(self, probability: Schedule | Probability = 0.05):
        super().__init__()
        self.probability = as_schedule(probability, "tricks.label_flip.probability", low=0, high=1)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"probability": self.probability}

    def targets(self, targets: Targets, step: Step) -> Targets:
        return Targets(
            real=torch.where(self.draw_flips(len(step.real_labels), step), targets.fake, targets.real),
            fake=torch.where(self.draw_flips(len(step.fake_labels), step), targets.real, targets.fake),
        )

    def draw_flips(self, count: int, step: Step) -> Tensor:
        """Draws which of `count` images get the other target -> bool [count]."""
        return step.random.uniform("label_flip", (count,)) < step.value(self.probability)
