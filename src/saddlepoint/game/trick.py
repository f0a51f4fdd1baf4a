"""The base class of tricks.

A trick changes the weights that training ends with. Whatever only observes (grids, scores, files) is a callback.
N images of C channels and H x W pixels, all float32 in [-1, 1].
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from saddlepoint.game.schedule import Schedule
from saddlepoint.game.step import (
    Contest,
    DiscriminatorStep,
    GeneratorStep,
    Side,
    Step,
    Targets,
    Update,
)

if TYPE_CHECKING:
    from saddlepoint.game.players import Players
    from saddlepoint.game.recipe import Problem, Recipe
    from saddlepoint.game.task import Task


class Trick(nn.Module):
    """A change to training. Its methods are the points where it may act; by default each does nothing.

    A trick overrides the points it needs, and keeps its state in buffers, so that checkpoints hold it. Parameters of
    its own are trained by the player that `trained_with` names. Where a game has several contests, the points that are
    given a step act in each of them; `build` and those after a step are given the players, with all their networks.
    """

    provides: ClassVar[frozenset[str]] = frozenset()  # e.g. {"lipschitz"}
    changes_networks: ClassVar[bool] = False  # True: built before the others, so that EMA copies the changed network
    softens_targets: ClassVar[bool] = False  # True: needs a loss with real/fake targets
    trained_with: ClassVar[str | None] = None  # whose optimizer trains its parameters: generator or discriminator
    differentiates_twice: ClassVar[bool] = False  # True: the derivative of a network is part of a loss (no compiling)
    images_of_a_pack: int = 1  # that `contest` puts side by side, so that D is shown them as one
    replaces_adversarial: bool = False  # True: its term stands in the place of the adversarial one in G's loss

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
        """Prepares the trick once, before training, from the two players; may change their networks.

        A player is a network, or an nn.ModuleDict of several.
        """

    def join(self, game: "Players") -> None:
        """Is told once, when the game is built but for its optimizers, whose trick this is. A trick that keeps the game
        must hide it from nn.Module, e.g. in a tuple, as it would else be a part of its own part."""

    def discriminator_settings(self, given: Mapping[str, Any], where: str, game: "type[Task]") -> Mapping[str, Any]:
        """Returns the settings with which a discriminator is built, in place of those given.

        where: their place in the configuration, e.g. model.discriminator
        game: the class of the game. Raises a RequestError if the trick cannot be part of it.
        """
        return given

    def schedules(self) -> Mapping[str, Schedule]:
        """Returns the settings that change over training, by name; each is logged as schedule/<trick>.<name>."""
        return {}

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns which of its forms the trick has in an update, where it does not always do the same operations: for
        example whether a penalty counts now. Methods that act ask for it by `step.variant(self)`."""
        return None

    def contest(self, contest: Contest) -> Contest:
        """Returns what an update is about in place of the contest given, before anything of it is scored."""
        return contest

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        """images [n, C, H, W], real or fake -> what D is shown instead, of the same shape"""
        return images

    def targets(self, targets: Targets, step: Step) -> Targets:
        """Returns the targets of D's loss in place of those given."""
        return targets

    def differentiates(self, step: Step) -> Iterable[str]:
        """Returns the sides, `real` and `fake`, by whose images `discriminator_loss` will differentiate the logits of
        this update, so that D need not score them again for that."""
        return ()

    def discriminator_loss(self, step: DiscriminatorStep) -> Tensor | None:
        """Returns a term [] to add to D's loss, or None in a step without one."""
        return None

    def after_discriminator_step(self, update: Update) -> None:
        """Acts after each update of D, on its weights, say."""

    def opponent(self, step: Step) -> nn.Module:
        """Returns the discriminator that G plays against in this step, in place of `step.discriminator`."""
        return step.discriminator

    def generator_sides(self, sides: tuple[Side, ...], step: Step) -> tuple[Side, ...]:
        """Returns the sides of which G's adversarial loss is computed, in place of those that were scored. The fakes
        are the last."""
        return sides

    def generator_loss(self, step: GeneratorStep) -> Tensor | None:
        """Returns a term [] to add to G's loss, or None in a step without one."""
        return None

    def after_generator_step(self, update: Update) -> None:
        """Acts after each update of G, on its weights or on copies of them."""

    def weights_loss(self, player: str, step: Step) -> Tensor | None:
        """Returns a term [] to add to the loss of a player, `generator` or `discriminator`, or None. It is about the
        player's weights, and so is added once in an update, however many contests there are; `step` is the first."""
        return None

    def both_losses(self, losses: Mapping[str, Tensor], parameters: Mapping[str, Sequence[nn.Parameter]],
                    update: Update) -> Mapping[str, Tensor]:
        """Returns a term [] to add to each player's loss, by the player's name, in an update of both players at once
        (model.turns.order=simultaneous, without which the trick is refused).

        losses: of each player without such terms, [], in one graph of the networks at the same weights
        parameters: that each player trains
        """
        return {}

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        """Returns the player that draws images for grids, metrics and files in place of the one given."""
        return generator

    def averages(self) -> Mapping[str, nn.Module]:
        """Returns further players that can draw images, by name (weights=NAME)."""
        return {}


POINTS = ("discriminator_settings", "build", "contest", "discriminator_input", "targets", "discriminator_loss",
          "after_discriminator_step", "opponent", "generator_sides", "generator_loss",
          "after_generator_step", "weights_loss", "both_losses", "sampling_generator")


def overrides(trick: Trick, point: str) -> bool:
    """Returns whether the trick acts at a point, i.e. overrides the method of this name."""
    return getattr(type(trick), point) is not getattr(Trick, point)


def images_of_a_pack(tricks: Iterable[Trick]) -> int:
    """Returns how many images D is shown as one by these tricks; 1: each by itself."""
    return math.prod(trick.images_of_a_pack for trick in tricks)
