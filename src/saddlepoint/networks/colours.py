"""The units in which a network counts colours.

Images are in [-1, 1] between all modules (`symmetric`). A recipe whose data are in [0, 1] (`unit`) keeps its numbers
inside its networks: the generator's layers end in y, which leaves as 2y - 1, and an image x reaches the discriminator's
layers as (x + 1) / 2. That is a change of units and nothing else: D's layers see the recipe's data and fakes, so the
logits, losses and gradients of all weights are the recipe's. A gradient with respect to images, as gradient penalties
take it, is half the recipe's, and noise that is added to images counts in [-1, 1].
"""

from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.config.rules import one_of

COLOURS = ("symmetric", "unit")
Colours = Annotated[str, one_of(*COLOURS)]


class FromUnit(nn.Module):
    """Maps colours from [0, 1] to [-1, 1]: 2y - 1. A tanh below 0 becomes darker than black, which pictures and metrics
    show as black."""

    def forward(self, images: Tensor) -> Tensor:
        return images * 2 - 1


class ToUnit(nn.Module):
    """Maps colours from [-1, 1] to [0, 1]: (x + 1) / 2."""

    def forward(self, images: Tensor) -> Tensor:
        return (images + 1) / 2


def after_generator(colours: str) -> list[nn.Module]:
    """Returns the layers that follow a generator whose layers end in colours of this kind."""
    _check(colours)
    return [FromUnit()] if colours == "unit" else []


def before_discriminator(colours: str) -> list[nn.Module]:
    """Returns the layers that come before those of a discriminator which counts colours so."""
    _check(colours)
    return [ToUnit()] if colours == "unit" else []


def _check(colours: str) -> None:
    require(colours in COLOURS, "model.colours", colours, "one of " + ", ".join(COLOURS))
