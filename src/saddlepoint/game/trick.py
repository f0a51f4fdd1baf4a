"""The base class of tricks, and the stack that calls them in order.

A trick changes the weights that training ends with. Whatever only observes (grids, scores, files) is a callback.
N images of C channels and H x W pixels, all float32 in [-1, 1].
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from saddlepoint.game.schedule import Schedule
from saddlepoint.game.step import Step, Targets

if TYPE_CHECKING:
    from saddlepoint.game.recipe import Problem, Recipe


class Trick(nn.Module):
    """A change to training. Its methods are the points where it may act; by default each does nothing.

    A trick overrides the points it needs, and keeps its state in buffers, so that checkpoints hold it.
    """

    provides: ClassVar[frozenset[str]] = frozenset()  # e.g. {"lipschitz"}
    changes_networks: ClassVar[bool] = False  # True: built before the others, so that EMA copies the changed network
    softens_targets: ClassVar[bool] = False  # True: needs a loss with real/fake targets

    def name_in(self, recipe: "Recipe") -> str:
        """Returns this trick's name as typed in trick=[...], for messages."""
        return next(name for name, trick in recipe.tricks.items() if trick is self)

    def problems(self, recipe: "Recipe") -> "Iterable[Problem]":
        """Yields the reasons why this trick cannot train this recipe."""
        return ()

    def warnings(self, recipe: "Recipe") -> Iterable[str]:
        """Yields sentences to warn of, about a recipe that can train."""
        return ()

    @property
    def acts(self) -> bool:
        """True if the trick overrides a point where it may act."""
        return any(overrides(self, point) for point in POINTS)

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Prepares the trick once, before training, from the two networks; may change them."""

    def schedules(self) -> Mapping[str, Schedule]:
        """Returns the settings that change over training, by name; each is logged as schedule/<trick>.<name>."""
        return {}

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        """images [n, C, H, W], real or fake -> what D is shown instead, of the same shape"""
        return images

    def targets(self, targets: Targets, step: Step) -> Targets:
        """Returns the targets of D's loss in place of those given."""
        return targets

    def discriminator_loss(self, step: Step) -> Tensor | None:
        """Returns a term [] to add to D's loss, or None in a step without one."""
        return None

    def after_discriminator_step(self, step: Step) -> None:
        """Acts after each update of D, on its weights, say."""

    def generator_loss(self, step: Step) -> Tensor | None:
        """Returns a term [] to add to G's loss, or None in a step without one."""
        return None

    def after_generator_step(self, step: Step) -> None:
        """Acts after each update of G, on its weights or on copies of them."""

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        """Returns the generator that draws images for grids, metrics and files in place of the one given."""
        return generator


POINTS = ("build", "discriminator_input", "targets", "discriminator_loss", "after_discriminator_step",
          "generator_loss", "after_generator_step", "sampling_generator")


def overrides(trick: Trick, point: str) -> bool:
    """Returns whether the trick acts at a point, i.e. overrides the method of this name."""
    return getattr(type(trick), point) is not getattr(Trick, point)


class TrickStack(nn.ModuleDict):
    """Tricks by name, applied in the order given; those that change networks are built first.

    Each point has a list of the tricks that override it, so a point that no trick uses costs nothing in the step.
    """

    def __init__(self, tricks: Mapping[str, Trick]):
        super().__init__(dict(tricks))

    def acting_at(self, point: str) -> list[tuple[str, Trick]]:
        return [(name, trick) for name, trick in self.items() if overrides(trick, point)]

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        for trick in sorted(self.values(), key=lambda trick: not trick.changes_networks):
            trick.build(generator, discriminator)
        self._inputs = self.acting_at("discriminator_input")
        self._targets = self.acting_at("targets")
        self._discriminator_losses = self.acting_at("discriminator_loss")
        self._generator_losses = self.acting_at("generator_loss")
        self._after_discriminator = self.acting_at("after_discriminator_step")
        self._after_generator = self.acting_at("after_generator_step")

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        for _, trick in self._inputs:
            images = trick.discriminator_input(images, step)
        return images

    def targets(self, targets: Targets, step: Step) -> Targets:
        for _, trick in self._targets:
            targets = trick.targets(targets, step)
        return targets

    def discriminator_losses(self, step: Step) -> dict[str, Tensor]:
        """Returns the terms [] that tricks add to D's loss in this step, by the trick's name."""
        terms = {name: trick.discriminator_loss(step) for name, trick in self._discriminator_losses}
        return {name: term for name, term in terms.items() if term is not None}

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Returns the terms [] that tricks add to G's loss in this step, by the trick's name."""
        terms = {name: trick.generator_loss(step) for name, trick in self._generator_losses}
        return {name: term for name, term in terms.items() if term is not None}

    def after_discriminator_step(self, step: Step) -> None:
        for _, trick in self._after_discriminator:
            trick.after_discriminator_step(step)

    def after_generator_step(self, step: Step) -> None:
        for _, trick in self._after_generator:
            trick.after_generator_step(step)

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        for trick in self.values():
            generator = trick.sampling_generator(generator)
        return generator
