"""Says which value of a run a claim is about: the last of a metric, one after so many images, or means of curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from saddlepoint.comparison.values import curve
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run

Values = float | list[float]


class NoValue(Exception):
    """A run that lacks the value; the text says why."""


class Measure(Protocol):
    """What is read of each run."""

    @property
    def key(self) -> str:
        """Returns the name by which the results file has the value."""

    def read(self, run: Run) -> Values:
        """Returns the value of a completed run; raises NoValue if it has none."""


@dataclass(frozen=True)
class LastValue:
    """The value of a metric at the end of a run."""

    metric: str

    @property
    def key(self) -> str:
        return self.metric

    def read(self, run: Run) -> float:
        score = next((each for each in run.metrics if each.name == self.metric), None)
        if score is None:
            raise NoValue(f"{self.metric} was not measured")
        if score.value is None:
            raise NoValue(f"{self.metric} has no value{f': {score.reason}' if score.reason else ''}")
        return score.value


@dataclass(frozen=True)
class ValueAt:
    """The value of a metric after so many images, or by the end of the batch in which that number was reached."""

    metric: str
    images: int

    @property
    def key(self) -> str:
        return f"{self.metric} after {self.images} images"

    def read(self, run: Run) -> float:
        batch = reading.count(reading.mapping(run.settings, "data"), "batch_size") or 1
        points = [value for score in run.metrics if score.name == self.metric for images, value in curve(run, score)
                  if self.images <= images < self.images + batch]
        if not points:
            raise NoValue(f"{self.metric} was not measured after {self.images:,} images")
        return points[0]


@dataclass(frozen=True)
class CurveMean:
    """The mean of the values of a curve of metrics.csv between two numbers of images seen, both included."""

    curve: str
    first: int
    last: int

    @property
    def key(self) -> str:
        return f"{self.curve} from {self.first} to {self.last} images"

    def read(self, run: Run) -> float:
        points = run.curve_points().get(self.curve, ())
        values = [value for images, value in points if self.first <= images <= self.last]
        if not values:
            raise NoValue(f"the curve {self.curve} has no value from {self.first:,} to {self.last:,} images")
        return fmean(values)


@dataclass(frozen=True)
class Turns:
    """Whether one curve first falls and then rises and another does the reverse, by their means over equal parts of the
    run: the least mean of the one and the greatest of the other is neither the first nor the last."""

    parts: int
    falls_then_rises: str
    rises_then_falls: str

    @property
    def key(self) -> str:
        return f"{self.falls_then_rises} and {self.rises_then_falls} in {self.parts} parts"

    def read(self, run: Run) -> list[float]:
        """Returns the means of the first curve, then those of the second."""
        return [mean for name in (self.falls_then_rises, self.rises_then_falls) for mean in self._means(run, name)]

    def _means(self, run: Run, name: str) -> list[float]:
        points, end = run.curve_points().get(name, ()), run.images_seen or 0
        part_of = [(min(self.parts - 1, max(0, images - 1) * self.parts // max(end, 1)), value)
                   for images, value in points]
        groups = [[value for place, value in part_of if place == part] for part in range(self.parts)]
        if not all(groups):
            raise NoValue(f"the curve {name} has no value in some of {self.parts} equal parts")
        return [fmean(group) for group in groups]

    def shows(self, means: Sequence[float]) -> bool:
        """Returns whether the means of a run, as `read` gives them, have the pattern."""
        falling, rising = means[:self.parts], means[self.parts:]
        inner = range(1, self.parts - 1)
        return falling.index(min(falling)) in inner and rising.index(max(rising)) in inner


def read_all(run: Run, measures: Sequence[Measure]) -> tuple[Mapping[str, Values], Mapping[str, str]]:
    """Returns key -> value, and key -> reason for the values that a run lacks."""
    values: dict[str, Values] = {}
    lacking: dict[str, str] = {}
    for measure in {each.key: each for each in measures}.values():
        try:
            values[measure.key] = measure.read(run)
        except NoValue as reason:
            lacking[measure.key] = str(reason)
    return values, lacking
