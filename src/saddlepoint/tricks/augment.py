"""Augmentation of all that D is shown, so that it cannot learn few images by heart."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Count, Probability, null_unless_chosen
from saddlepoint.game.networks import HasLevels
from saddlepoint.game.recipe import Problem, Recipe, size_of
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import DiscriminatorStep, Step, Update
from saddlepoint.game.trick import Trick
from saddlepoint.parallel.collectives import global_mean
from saddlepoint.tricks.augmentation.policy import Policy

POLICIES = "tricks.augment.policy=diffaugment, ada, ada_upright, ada_all or r3gan"


class AdaptiveProbability(nn.Module):
    """A probability that rises while D is surer of reals than `target`, and falls while it is less sure.

    Karras et al. 2020, section 3.1, https://arxiv.org/abs/2006.06676: r = E[sign(D(x) - b)] over the reals of `every`
    updates of D, b the logit between real and fake; then p moves by every * batch / images, up where r > target, else
    down. r is 0 where D guesses and 1 where it knows every real image.

    target: of r, 0 to 1
    every: updates of D from one move to the next
    images: in which p could go from 0 to 1, 1 or more; 500,000 in the paper, whose runs are of 25 million
    start: p before the first move, 0 to 1
    """

    def __init__(self, target: Probability = 0.6, every: Count = 4, images: Count = 500_000, start: Probability = 0.0):
        super().__init__()
        for name, value, low, high in (("target", target, 0, 1), ("every", every, 1, None),
                                       ("images", images, 1, None), ("start", start, 0, 1)):
            if value < low or high is not None and value > high:
                bounds = f"from {low} to {high}" if high is not None else f"at least {low}"
                raise ValueError(f"tricks.augment.probability.{name}={value:g} must be {bounds}")
        self.target, self.every, self.images = target, every, images
        self.register_buffer("value", torch.tensor(float(start)))
        self.register_buffer("signs", torch.tensor(0.0))  # summed over updates, each a mean over its reals
        self.register_buffer("updates", torch.tensor(0.0))  # in the sum

    def __call__(self, images_seen: int) -> float:
        """Returns the present probability, which is read from the device: for curves only."""
        return float(self.value)

    def moves(self, images_seen: int, batch_size: int) -> bool:
        """Returns whether p moves after the present update."""
        return images_seen // batch_size % self.every == self.every - 1

    def count(self, signs: Tensor) -> None:
        """Adds the mean sign [] of an update's reals."""
        self.signs += signs
        self.updates += 1

    def move(self, batch_size: int) -> None:
        """Moves p by what was counted since it last moved. `batch_size`: reals of an update, over all processes."""
        surplus = global_mean(self.signs) / self.updates.clamp(min=1) - self.target
        self.value += surplus.sign() * (self.every * batch_size / self.images)
        self.value.clamp_(0, 1)
        self.signs.zero_()
        self.updates.zero_()


class Augment(Trick):
    """D(T(x)) in place of D(x), for reals and fakes, in D's step and in G's; T is random and differentiable.

    Zhao et al. 2020 (DiffAugment), https://arxiv.org/abs/2006.10738, and Karras et al. 2020 (ADA),
    https://arxiv.org/abs/2006.06676. G learns the distribution of the data, and not that of T, if T's distribution can
    be undone: turns by 0 to 270 degrees with a probability below 1 can, as most images are left upright.

    Every image that is scored has random numbers of its own, those of penalties as well unless they differentiate
    the logits that D gave already (R1 and R2 in float32); a penalty's gradient is with respect to the image before it
    is augmented. Images that nothing hits stay as they are, bit for bit.

    policy: which transformations, and how strong
    probability: 0 to 1, of each transformation: a number, a schedule, or AdaptiveProbability
    """

    def __init__(self, policy: Annotated[Policy, null_unless_chosen(POLICIES)],
                 probability: Schedule | Probability | AdaptiveProbability = 1.0):
        super().__init__()
        if policy is None:
            raise ValueError(f"tricks.augment.policy=null augments nothing: type {POLICIES}")
        self.policy, self.is_adaptive = policy, isinstance(probability, AdaptiveProbability)
        self.probability = (probability if self.is_adaptive else
                            as_schedule(probability, "tricks.augment.probability", low=0, high=1))
        self.counted: dict[str, Tensor] = {}  # mean signs [] of the present update, by contest

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        yield from image_problems(self, recipe, self.policy)
        if self.is_adaptive and recipe.loss.boundary is None:
            yield Problem(
                "tricks.augment.probability is adaptive: it follows the sign of the discriminator's logits of reals, "
                f"and with loss={recipe.loss_name} no logit lies between real and fake, so that a sign means nothing: "
                "type a number, e.g. tricks.augment.probability=0.3, or another loss, e.g. loss=nonsaturating",
                {"tricks.augment.probability": 0.3})

    def warnings(self, recipe: Recipe) -> Iterable[str]:
        yield from character_warnings(self, recipe, self.policy)

    def schedules(self) -> Mapping[str, Callable[[int], float]]:
        return {"probability": self.probability}

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns whether nothing is augmented, or, of an adaptive probability, whether it moves."""
        if self.is_adaptive:
            return self.probability.moves(images_seen, batch_size)
        return self.probability(images_seen) == 0

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        if self.is_adaptive:
            return self.policy(images, self.probability.value, step.random)
        if step.variant(self):
            return images
        return self.policy(images, step.value(self.probability), step.random)

    @torch.no_grad()
    def discriminator_loss(self, step: DiscriminatorStep) -> None:
        """Notes the signs of the reals' logits; adds no term."""
        for side in step.sides if self.is_adaptive else ():
            if side.name == "real":  # an update that the guard repeats is counted once, by its contest's name
                self.counted[step.contest] = (side.logits - step.loss.boundary).sign().mean()

    @torch.no_grad()
    def after_discriminator_step(self, update: Update) -> None:
        if not self.counted:
            return
        self.probability.count(torch.stack([*self.counted.values()]).mean())
        self.counted = {}
        if update.variant(self):
            self.probability.move(update.batch_size)


def image_problems(trick: Trick, recipe: Recipe, policy: Policy) -> Iterable[Problem]:
    """Yields why the images that D is shown cannot be augmented in this recipe."""
    name = trick.name_in(recipe)
    without = {"trick": recipe.trick_list(without=[name])}
    if recipe.dimensions is not None:
        yield Problem(f"trick=[{name}] augments images, and the data are points: leave it out", without)
        return
    packs = [each for each, other in recipe.tricks.items() if other.images_of_a_pack > 1]
    if packs:
        yield Problem(f"trick=[{name}] augments single images, and trick=[{','.join(packs)}] shows the discriminator "
                      "packs of them in one: leave out one of the two", {"trick": recipe.trick_list(without=packs)})
    for network, discriminator in recipe.discriminators.items():
        if isinstance(discriminator, HasLevels):
            yield Problem(f"trick=[{name}] augments images alone, and the levels of model.{network} are shown "
                          "differences beside images, which would no longer fit: leave the trick out", without)
            continue
        *shown, _ = recipe.module.example_inputs(recipe)[network]
        if len(shown) != 1 or shown[0].ndim != 4:
            what = " beside ".join(size_of(part.shape[1:]) for part in shown)
            yield Problem(f"trick=[{name}] augments images alone, and model.{network} is shown {what}, of which the "
                          "rest would no longer fit: leave the trick out", without)
        elif policy.channels and recipe.channels not in policy.channels:
            yield Problem(f"tricks.{name}.policy changes colours of images of {' or '.join(map(str, policy.channels))} "
                          f"channels, and data.channels={recipe.channels}: type tricks.{name}.policy=diffaugment")


def character_warnings(trick: Trick, recipe: Recipe, policy: Policy) -> Iterable[str]:
    """Yields a sentence if images are mirrored or turned that then would be something else."""
    settings = [*policy.reorienting()]
    if recipe.of_characters and settings:
        name = trick.name_in(recipe)
        typed = " ".join(f"tricks.{name}.policy.{setting}=0" for setting in settings)
        yield (f"trick=[{name}] mirrors or turns the characters of the data ({', '.join(settings)}), which then are "
               f"others or none, and with a high probability the generator draws them so: type {typed}")
