"""A moving average of the generator's weights, which draws the images for grids, metrics and files."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Positive, number
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Update
from saddlepoint.game.trick import Trick


class ExponentialMovingAverage(Trick):
    """w_ema <- w + (w_ema - w) 2^(-n / half_life), n the real images since the last update.

    Yazici et al. 2019, https://arxiv.org/abs/1806.04498. The half-life is in images, and at most `rampup` * images
    seen, so that the first, poor generators lose their weight early: Karras et al. 2020,
    https://arxiv.org/abs/2006.06676 (ema_kimg and ema_rampup in their code). Running statistics and other buffers are
    copied, not averaged.
    """

    def __init__(self, half_life_images: Annotated[Schedule | float, number(1)] = 10_000,
                 rampup: Positive | None = 0.05):
        super().__init__()
        self.half_life_images = as_schedule(half_life_images, "tricks.ema.half_life_images", low=1)
        if rampup is not None and rampup <= 0:
            raise ValueError(f"tricks.ema.rampup={rampup} must be above 0, or null for none")
        self.rampup = rampup
        self.updated_at: int | None = None  # images seen; None: the average is still empty

    def schedules(self) -> Mapping[str, Schedule]:
        return {"half_life_images": self.half_life_images}

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.generator = copy.deepcopy(generator).requires_grad_(False)

    @torch.no_grad()
    def after_generator_step(self, update: Update) -> None:
        is_copy = update.variant(self)
        live_share = update.value(self.live_share)
        if update.left_out is not None and not is_copy:  # a copy of weights that stay changes nothing
            live_share = (1 - update.left_out) * live_share
        move_towards(list(self.generator.parameters()), list(update.generator.parameters()), live_share)
        for average, live in zip(self.generator.buffers(), update.generator.buffers(), strict=True):
            average.copy_(live)

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns whether the average becomes a copy of the weights."""
        return self.average_share(images_seen) == 0

    def live_share(self, images_seen: int) -> float:
        """Returns the weight of the present weights in the new average, from 0 to 1, and notes the update."""
        share = 1 - self.average_share(images_seen)
        self.updated_at = images_seen
        return share

    def average_share(self, images_seen: int) -> float:
        """Returns the weight of the old average in the new one, from 0 (the average is empty) to 1."""
        if self.updated_at is None:
            return 0.0
        half_life = self.half_life_images(images_seen)
        if self.rampup is not None:
            half_life = min(half_life, max(self.rampup * images_seen, 1.0))
        return 0.5 ** ((images_seen - self.updated_at) / half_life)

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        return self.generator.eval()  # here, not in build: Lightning sets every part of a model training

    def get_extra_state(self) -> int | None:
        return self.updated_at

    def set_extra_state(self, state: int | None) -> None:
        self.updated_at = state


def move_towards(averages: Sequence[Tensor], live: Sequence[Tensor], share: float | Tensor) -> None:
    """Replaces each average a by a + share * (w - a), w of `live`. A share [] on the device is not read."""
    if not isinstance(share, Tensor):
        torch._foreach_lerp_(averages, live, share)
        return
    differences = torch._foreach_sub(live, averages)
    torch._foreach_mul_(differences, share)
    torch._foreach_add_(averages, differences)
