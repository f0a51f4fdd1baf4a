"""Moving averages of the generator's weights, which draw the images for grids, metrics and files."""

import copy
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated

import numpy
import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Positive, as_typed, mapping_of, number, optional
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Update
from saddlepoint.game.trick import Trick

SETTINGS = ("half_life_images", "rampup", "sigma_rel")  # of each average
RESERVED = ("ema", "raw")  # what weights= means without a name


Settings = Mapping[str, float | None]
Further = Annotated[Mapping[str, Settings] | None, optional(mapping_of(mapping_of(optional(number(0, above=True)))))]


class Average(nn.Module):
    """w_avg <- w + (w_avg - w) beta, after each update of G; of several on one batch, after the first one.

    beta = 2^(-n / half_life), n the real images since the last update: Yazici et al. 2019,
    https://arxiv.org/abs/1806.04498. The half-life is in images, and at most `rampup` * images seen, so that the first,
    poor generators lose their weight early: Karras et al. 2020, https://arxiv.org/abs/2006.06676 (ema_kimg and
    ema_rampup in their code).

    With `sigma_rel`, beta = (1 - n / t)^(gamma + 1), t the real images seen by then: the power function profile of
    Karras et al. 2024 (EDM2), section 3.1, https://arxiv.org/abs/2312.02696, in which weights of the time s count like
    s^gamma. The average is as wide at any time: its standard deviation is sigma_rel * t.

    Running statistics and other buffers are copied, not averaged.

    where: the settings' place, for messages
    """

    def __init__(self, half_life_images: Schedule | float, rampup: float | None, sigma_rel: float | None,
                 where: str = "tricks.ema"):
        super().__init__()
        self.half_life_images = as_schedule(half_life_images, f"{where}.half_life_images", low=1)
        if rampup is not None and rampup <= 0:
            raise ValueError(f"{where}.rampup={rampup} must be above 0, or null for none")
        if sigma_rel is not None and not 0 < sigma_rel <= WIDEST:
            raise ValueError(f"{where}.sigma_rel={sigma_rel} must be above 0 and at most {WIDEST}, or null for an "
                             "average with a half-life")
        self.rampup = rampup
        self.gamma = None if sigma_rel is None else gamma_of(sigma_rel)
        self.updated_at: int | None = None  # images seen; None: the average is still empty

    def hold(self, generator: nn.Module) -> None:
        """Begins with a copy of G's player."""
        self.generator = copy.deepcopy(generator).requires_grad_(False)

    @torch.no_grad()
    def follow(self, update: Update, is_copy: bool) -> None:
        """Moves towards the weights after an update of G; becomes a copy of them if `is_copy`."""
        batch_size = update.batch_size
        live_share = update.value(lambda images_seen: self.live_share(images_seen, batch_size))
        if update.left_out is not None and not is_copy:  # a copy of weights that stay changes nothing
            live_share = (1 - update.left_out) * live_share
        move_towards(list(self.generator.parameters()), list(update.generator.parameters()), live_share)
        for average, live in zip(self.generator.buffers(), update.generator.buffers(), strict=True):
            average.copy_(live)

    def live_share(self, images_seen: int, batch_size: int) -> float:
        """Returns the weight of the present weights in the new average, from 0 to 1, and notes the update."""
        share = 1 - self.average_share(images_seen, batch_size)
        self.updated_at = images_seen
        return share

    def average_share(self, images_seen: int, batch_size: int) -> float:
        """Returns beta, the weight of the old average in the new one, from 0 (the average is empty) to 1.

        images_seen: before the update, whose batch has `batch_size` images
        """
        if self.updated_at is None:
            return 0.0
        if self.gamma is not None:
            return ((self.updated_at + batch_size) / (images_seen + batch_size)) ** (self.gamma + 1)
        half_life = self.half_life_images(images_seen)
        if self.rampup is not None:
            half_life = min(half_life, max(self.rampup * images_seen, 1.0))
        return 0.5 ** ((images_seen - self.updated_at) / half_life)

    def get_extra_state(self) -> int | None:
        return self.updated_at

    def set_extra_state(self, state: int | None) -> None:
        self.updated_at = state


class ExponentialMovingAverage(Average, Trick):
    """Draws images for grids, metrics and files from an average of G's weights (see Average).

    also: further averages by name, each with settings of its own, e.g. {short: {half_life_images: 1000}, power:
    {sigma_rel: 0.1}}. Each takes the memory of G's player, is measured by callbacks.sample_quality, and draws where
    weights=NAME is typed.

    half_life_images: real images after which weights count half, 1 or more
    rampup: the half-life is at most this times the images seen, above 0; None: no ramp-up
    sigma_rel: relative width of a power function average, above 0 and at most 0.28; half_life_images and rampup then
        mean nothing. None: the average has a half-life
    """

    def __init__(self, half_life_images: Annotated[Schedule | float, number(1)] = 10_000,
                 rampup: Positive | None = 0.05,
                 sigma_rel: Annotated[float | None, optional(number(0, 0.28, above=True))] = None,
                 also: Further = None):
        super().__init__(half_life_images, rampup, sigma_rel)
        self.also = nn.ModuleDict({name: further(name, settings) for name, settings in (also or {}).items()})

    def schedules(self) -> Mapping[str, Schedule]:
        return {"half_life_images": self.half_life_images} if self.gamma is None else {}

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        for average in (self, *self.also.values()):
            average.hold(generator)

    def after_generator_step(self, update: Update) -> None:
        for average, is_copy in zip((self, *self.also.values()), update.variant(self), strict=True):
            average.follow(update, is_copy)

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns for each average whether it becomes a copy of the weights."""
        return tuple(each.average_share(images_seen, batch_size) == 0 for each in (self, *self.also.values()))

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        return self.generator.eval()  # here, not in build: Lightning sets every part of a model training

    def averages(self) -> Mapping[str, nn.Module]:
        return {name: average.generator for name, average in self.also.items()}


def further(name: str, settings: Settings) -> Average:
    """Returns an average of tricks.ema.also. Raises a ValueError if it cannot be called so or has other settings."""
    where = f"tricks.ema.also.{name}"
    if not re.fullmatch("[a-z][a-z0-9_]*", str(name)) or name in RESERVED or hasattr(nn.ModuleDict(), str(name)):
        raise ValueError(f"{where}: a name has small letters, digits and _, begins with a letter and is none of "
                         f"{', '.join(RESERVED)}, nor one that torch has for itself, as half and train: type another, "
                         "e.g. short")
    if unknown := [each for each in settings if each not in SETTINGS]:
        raise ValueError(f"{where}.{unknown[0]}={as_typed(settings[unknown[0]])} is no setting of an average: type "
                         f"{', '.join(SETTINGS)}")
    if "half_life_images" in settings and settings["half_life_images"] is None:
        raise ValueError(f"{where}.half_life_images=null must be real images, 1 or more: type a number, or leave it "
                         "out for 10000")
    if settings.get("sigma_rel") is not None and len(settings) > 1:
        raise ValueError(f"{where} has sigma_rel and {', '.join(each for each in settings if each != 'sigma_rel')}: an "
                         "average has a half-life or a relative width, so type one of the two")
    return Average(**{"half_life_images": 10_000, "rampup": 0.05, "sigma_rel": None, **settings}, where=where)


WIDEST = 0.28  # of sigma_rel: gamma is 0, and all weights count alike, at 12^(-1/2), about 0.2887


def gamma_of(sigma_rel: float) -> float:
    """Returns the exponent gamma of the power function whose standard deviation is sigma_rel times its length.

    The root of (gamma + 1) = sigma_rel^2 (gamma + 2)^2 (gamma + 3) that is largest (EDM2, section 3.1).
    """
    inverse = sigma_rel ** -2
    return float(numpy.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def move_towards(averages: Sequence[Tensor], live: Sequence[Tensor], share: float | Tensor) -> None:
    """Replaces each average a by a + share * (w - a), w of `live`. A share [] on the device is not read."""
    if not isinstance(share, Tensor):
        torch._foreach_lerp_(averages, live, share)
        return
    differences = torch._foreach_sub(live, averages)
    torch._foreach_mul_(differences, share)
    torch._foreach_add_(averages, differences)
