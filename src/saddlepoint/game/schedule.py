"""Values that change over training, as functions of the number of real images the discriminator has been shown."""

import math
import sys
from abc import ABC, abstractmethod

from saddlepoint.config.rules import Count, WholeNumber


class Schedule(ABC):
    """A value as a function of the number of real images seen, over all processes."""

    @abstractmethod
    def __call__(self, images_seen: int) -> float: ...


class Constant(Schedule):
    """The same value at all times."""

    def __init__(self, value: float):
        self.value = float(value)

    def __call__(self, images_seen: int) -> float:
        return self.value


class _Ramp(Schedule):
    """A value that goes from `start` to `end` while `images` images are seen, after the first `begin_at` images.

    It is `start` before that and `end` after it.
    """

    def __init__(self, start: float, end: float, images: Count, begin_at: WholeNumber = 0):
        if images <= 0:
            raise ValueError(f"a schedule's images must be at least 1, got {images}")
        self.start, self.end, self.images, self.begin_at = float(start), float(end), images, begin_at

    def progress(self, images_seen: int) -> float:
        """Returns t, the finished part of the ramp, from 0 to 1."""
        return min(max((images_seen - self.begin_at) / self.images, 0.0), 1.0)


class Linear(_Ramp):
    """start + (end - start) t, with t from 0 to 1."""

    def __call__(self, images_seen: int) -> float:
        return self.start + (self.end - self.start) * self.progress(images_seen)


class Cosine(_Ramp):
    """end + (start - end) (1 + cos(pi t)) / 2: flat at both ends (Loshchilov and Hutter 2017, eq. 5, one period)."""

    def __call__(self, images_seen: int) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * self.progress(images_seen))) / 2


class Exponential(_Ramp):
    """start (end / start)^t: the same factor for every image."""

    def __init__(self, start: float, end: float, images: Count, begin_at: WholeNumber = 0):
        super().__init__(start, end, images, begin_at)
        if self.start <= 0 or self.end <= 0:
            raise ValueError(f"an exponential schedule needs start and end above 0, got {start} and {end}")

    def __call__(self, images_seen: int) -> float:
        return self.start * (self.end / self.start) ** self.progress(images_seen)


def as_schedule(value: Schedule | float, setting: str = "value", low: float = -math.inf, high: float = math.inf
                ) -> Schedule:
    """Returns the schedule itself, or a constant schedule of a plain number.

    Refuses values outside low .. high with a ValueError that names the `setting`.
    """
    schedule = value if isinstance(value, Schedule) else Constant(value)
    for extreme in (schedule(0), schedule(sys.maxsize)):  # a ramp has its extremes at its ends
        if not (math.isfinite(extreme) and low <= extreme <= high):
            requirement = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise ValueError(f"{setting} is {extreme:g} and must be {requirement}")
    return schedule
