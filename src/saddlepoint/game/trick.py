"""The points at which a trick may act, and the stack that calls them in order.

A trick changes the weights that come out of training; what only looks (grids, scores, files) is a callback.
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
    """Does nothing at every point; a trick overrides the points it acts at. State lives in buffers."""

    provides: ClassVar[frozenset[str]] = frozenset()  # e.g. {"lipschitz"}
    changes_networks: ClassVar[bool] = False  # True: built before the others, so that EMA copies the changed network
    softens_targets: ClassVar[bool] = False  # True: needs a loss with real/fake targets

    def name_in(self, recipe: "Recipe") -> str:
        """As typed in trick=[...]: sentences about a trick name it as its user does."""
        return next(name for name, trick in recipe.tricks.items() if trick is self)

    def problems(self, recipe: "Recipe") -> "Iterable[Problem]":
        return ()

    def warnings(self, recipe: "Recipe") -> Iterable[str]:
        return ()

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None: ...

    def schedules(self) -> Mapping[str, Schedule]:
        """What of this trick changes over training, by the setting's name: logged as schedule/<trick>.<name>."""
        return {}

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        return images

    def targets(self, targets: Targets, step: Step) -> Targets:
        return targets

    def discriminator_loss(self, step: Step) -> Tensor | None:
        return None

    def after_discriminator_step(self, step: Step) -> None: ...

    def generator_loss(self, step: Step) -> Tensor | None:
        return None

    def after_generator_step(self, step: Step) -> None: ...

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        return generator


def overrides(trick: Trick, point: str) -> bool:
    return getattr(type(trick), point) is not getattr(Trick, point)


class TrickStack(nn.ModuleDict):
    """Tricks by name, applied in the order given; those that change networks are built first.

    Each point keeps the list of tricks that override it, so a point nobody uses costs nothing in the step.
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
        """The terms that tricks add to D's loss, by the trick's name. A trick may sit a step out with None."""
        terms = {name: trick.discriminator_loss(step) for name, trick in self._discriminator_losses}
        return {name: term for name, term in terms.items() if term is not None}

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
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
