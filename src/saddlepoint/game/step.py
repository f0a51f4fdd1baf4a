"""One update of one player, as losses and tricks see it.

N images of C channels and H x W pixels, all float32 in [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from saddlepoint.game.random_streams import RandomStreams


class Targets(NamedTuple):
    """The probabilities of being real that a loss trains D(x) towards, for reals and for fakes; each [] or [N]."""

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class Step:
    """One update of one player, as a trick sees it. `real` and `fake` are the images before any input trick."""

    images_seen: int  # real images shown to D before this step
    batch_size: int  # real images in this step, over all processes
    random: "RandomStreams"  # the step's only source of random numbers
    generator: nn.Module
    discriminator: nn.Module
    prepare: Callable[[Tensor], Tensor] | None = None  # images -> what D is shown of them: the input tricks
    score: Callable[[Tensor, Tensor], Tensor] | None = None  # (images, labels) -> logits, input tricks included
    real: Tensor | None = None  # [N, C, H, W]
    fake: Tensor | None = None  # [M, C, H, W]; detached in D's step
    real_labels: Tensor | None = None  # [N]
    fake_labels: Tensor | None = None  # [M]
    real_logits: Tensor | None = None
    fake_logits: Tensor | None = None
