"""Consistency: D gives an image and its augmented version the same logit.

N reals, M fakes, L latents.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import torch
from torch import Tensor

from saddlepoint.config.rules import NonNegative, null_unless_chosen
from saddlepoint.game.networks import mixes_styles
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import DiscriminatorStep, GeneratorStep, Side, Step
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.game.trick import Trick
from saddlepoint.tricks.augment import character_warnings, image_problems
from saddlepoint.tricks.augmentation.policy import Policy

WEIGHTS = ("real", "fake", "latents_discriminator", "latents_generator")
POLICIES = "tricks.consistency.policy=flip_and_shift or diffaugment"


class Consistency(Trick):
    """Adds to D's loss
        real * E[(D(x) - D(T(x)))^2] + fake * E[(D(G(z)) - D(T(G(z))))^2]
        + latents_discriminator * E[(D(G(z)) - D(G(z + e)))^2]
    and to G's loss
        -latents_generator * E[(G(z) - G(z + e))^2], the mean over all pixels, so that G uses its latents.

    T is a random augmentation, e ~ N(0, latent_noise^2). CR is Zhang et al. 2020, https://arxiv.org/abs/1910.12027:
    real=10 alone. bCR is Zhao et al. 2021, https://arxiv.org/abs/2002.04724: real=10 and fake=10. Their zCR is
    real=0, latents_discriminator=5 and latents_generator=0.5, and ICR all four. Logits of patches are averaged over an
    image, as T moves them.

    D is run once more for each term, on reals or on fakes. G's last term has no lower bound unless pixels have one,
    as after tanh.

    policy: T, applied to every image; the papers' mirrors every second image and shifts it by up to an eighth
    real, fake: weights, 0 or more; numbers or schedules
    latents_discriminator, latents_generator: weights, 0 or more; numbers or schedules
    latent_noise: standard deviation of e, above 0 where it is used; latents are N(0, 1)
    """

    def __init__(self, policy: Annotated[Policy, null_unless_chosen(POLICIES)], real: Schedule | NonNegative = 10.0,
                 fake: Schedule | NonNegative = 0.0, latents_discriminator: Schedule | NonNegative = 0.0,
                 latents_generator: Schedule | NonNegative = 0.0, latent_noise: NonNegative = 0.05):
        super().__init__()
        if policy is None:
            raise ValueError(f"tricks.consistency.policy=null augments nothing: type {POLICIES}")
        self.policy = policy
        where = "tricks.consistency"
        self.real = as_schedule(real, f"{where}.real", low=0)
        self.fake = as_schedule(fake, f"{where}.fake", low=0)
        self.latents_discriminator = as_schedule(latents_discriminator, f"{where}.latents_discriminator", low=0)
        self.latents_generator = as_schedule(latents_generator, f"{where}.latents_generator", low=0)
        if latent_noise < 0:
            raise ValueError(f"tricks.consistency.latent_noise={latent_noise:g} must be at least 0")
        self.latent_noise = latent_noise

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        yield from image_problems(self, recipe, self.policy)
        of_latents = [name for name in ("latents_discriminator", "latents_generator")
                      if getattr(getattr(self, name), "value", None) != 0]  # else a schedule, or above 0
        if not of_latents:
            return
        name = self.name_in(recipe)
        off = {f"tricks.{name}.{weight}": 0 for weight in of_latents}
        typed = " and ".join(f"tricks.{name}.{weight}" for weight in of_latents)
        if not recipe.module.fakes_are_of_latents or recipe.module.shares_fakes or recipe.latents is None:
            yield Problem(f"{typed} changes the latents of fakes, and {recipe.module.__name__} (model.module) does not "
                          "make its fakes from noise alone: type 0 for them", off)
        elif isinstance(recipe.latents, StructuredLatents):
            yield Problem(f"{typed} changes the latents of fakes a little, and those of {recipe.module.__name__} "
                          "(model.module) hold codes, which would be none any more: type 0 for them", off)
        if mixes_styles(recipe.generator):
            yield Problem(f"{typed} makes fakes once more of near latents, and model.generator.style_mixing="
                          f"{recipe.generator.style_mixing:g} gives them styles of other latents: they would be other "
                          "images", {"model.generator.style_mixing": 0})
        if recipe.turns.fakes_in_eval:
            yield Problem(f"{typed} makes fakes once more, as the generator trains, and "
                          "model.turns.fakes_in_eval=true made the others in evaluation mode: they would differ for "
                          "that reason", {"model.turns.fakes_in_eval": False})

    def warnings(self, recipe: Recipe) -> Iterable[str]:
        yield from character_warnings(self, recipe, self.policy)

    def schedules(self) -> Mapping[str, Schedule]:
        return {name: getattr(self, name) for name in WEIGHTS}

    def variant(self, images_seen: int, batch_size: int) -> tuple[bool, ...]:
        """Returns which terms there are."""
        return tuple(weight(images_seen) > 0 for weight in self.schedules().values())

    def counting(self, step: Step) -> dict[str, bool]:
        """Returns for each weight whether its term counts now."""
        return dict(zip(WEIGHTS, step.variant(self), strict=True))

    def discriminator_loss(self, step: DiscriminatorStep) -> Tensor | None:
        counts, terms = self.counting(step), []
        for side in step.sides:
            if counts[side.name]:
                augmented = self.policy(side.shown, 1.0, step.random, "consistency")
                terms.append(step.value(getattr(self, side.name)) * distance(side, step.score(augmented, side.labels)))
            if side.name == "fake" and counts["latents_discriminator"]:
                with torch.set_grad_enabled(step.fake.grad_fn is not None):  # as the fakes themselves were made
                    neighbours = self.neighbours(step)
                terms.append(step.value(self.latents_discriminator)
                             * distance(side, step.score(neighbours, side.labels)))
        return sum(terms) if terms else None

    def generator_loss(self, step: GeneratorStep) -> Tensor | None:
        if not self.counting(step)["latents_generator"]:
            return None
        return -step.value(self.latents_generator) * (step.fake - self.neighbours(step)).square().mean()

    def neighbours(self, step: Step) -> Tensor:
        """Returns fakes [M, C, H, W] of latents near those of the step's fakes."""
        noise = step.random.normal("consistency/latents", tuple(step.latents.shape))
        return step.generator(step.latents + self.latent_noise * noise, step.fake_labels)


def distance(side: Side, logits: Tensor) -> Tensor:
    """Returns the mean squared difference [] between a side's logits and others of the same images."""
    return (of_images(side.logits) - of_images(logits)).square().mean()


def of_images(logits: Tensor) -> Tensor:
    """logits [n] or [n, 1, h, w] -> their mean for each image [n]"""
    return logits if logits.ndim == 1 else logits.flatten(1).mean(1)
