"""What a task says of itself before anything is trained: its networks, what they are called with, what it cannot do."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from saddlepoint.game.recipe import Problem, Recipe


class Task:
    """The part of a game that is known from its class. Its methods are asked with networks on the meta device."""

    further_networks: ClassVar[Mapping[str, str]] = {}  # name in model.<name> -> the player whose optimizer trains it

    can_be_packed: ClassVar[bool] = False  # True: fakes come from noise, and D does nothing but judge them
    fakes_are_of_latents: ClassVar[bool] = True  # False: of images as well, where the recipe has latents
    teaches_classes: ClassVar[bool] = False  # True: its terms teach D's class logits, without a trick

    @classmethod
    def data_problems(cls, yields: type) -> "Iterator[Problem]":
        """Yields the reasons why this task cannot play with batches of the kind `yields` (game/batches.py)."""
        yield from ()

    @classmethod
    def problems(cls, recipe: "Recipe") -> "Iterator[Problem]":
        """Yields the reasons why this task cannot train this recipe, e.g. shapes that do not fit each other."""
        yield from ()

    @classmethod
    def example_inputs(cls, recipe: "Recipe") -> dict[str, tuple[Tensor, ...]]:
        """Returns inputs of two rows on the meta device for each network, by its name: what `describe=true` runs."""
        raise TypeError(f"{cls.__name__} does not say what its networks are called with")
