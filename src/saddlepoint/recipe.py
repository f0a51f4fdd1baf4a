"""Refuses what cannot train, before anything is allocated, with every reason at once and what to type instead."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from saddlepoint.losses.adversarial import AdversarialLoss
    from saddlepoint.modules.turns import Turns
    from saddlepoint.tricks.trick import Trick


@dataclass(frozen=True)
class Problem:
    """One reason why a recipe cannot train, and the settings that would remove it (none: nothing sensible would)."""

    reason: str
    instead: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """What is about to be trained. The networks are on the meta device: shapes and layers, no memory."""

    generator: nn.Module
    discriminator: nn.Module
    loss: "AdversarialLoss"
    loss_name: str  # as typed after loss=
    tricks: "Mapping[str, Trick]"  # in the order given
    turns: "Turns"
    channels: int
    image_size: int
    num_classes: int  # 0 when the data has no classes
    batch_size: int

    def provides(self, what: str) -> bool:
        return any(what in trick.provides for trick in self.tricks.values())

    def trick_list(self, *, add: Iterable[str] = (), without: Iterable[str] = ()) -> list[str]:
        """The value to type after trick= with some added at the end or left out."""
        left_out = set(without)
        return [*(name for name in self.tricks if name not in left_out), *add]

    @property
    def discriminator_mixes_images(self) -> bool:
        """D(x_i) depends on the other images of the batch, so the gradient of one score is not one image's."""
        return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in self.discriminator.modules())
