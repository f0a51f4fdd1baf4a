"""Says what a chart of the page shows, as data that templates/charts.js draws with Plotly.

Numbers travel as base64 of their bytes, mostly of float32: a third of their size as text.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log10

import numpy as np

from saddlepoint.comparison.report.rows import rounded
from saddlepoint.comparison.report.seed_bands import BandPoint, thin_out

MANY_TIMES = 12    # positive values whose largest is so many times the smallest get a logarithmic axis,
MOST_TIMES = 1e15  # unless it is so many times the smallest
MOST_POINTS = 400  # of one line
MOST_IN_ALL = 40_000  # of all lines of a chart together
SAME = 1e-9        # values that differ by a smaller share of the largest are one

JSON = dict[str, object]
Range = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A curve with a band, and what it is called."""

    name: str    # in the legend
    source: str  # what the values are of, e.g. `seed 0` or `mean of seeds 0, 1`
    row: int     # number of its row; a row that is filtered out in the table disappears here too
    style: int   # number of its colour and dashes
    points: Sequence[BandPoint]


@dataclass(frozen=True)
class Chart:
    """Some lines over images seen."""

    quantity: str   # what the vertical axis shows
    lines: Sequence[Line]
    may_be_logarithmic: bool = False
    cuts_spikes: bool = False

    @cached_property
    def values(self) -> list[float]:
        return [value for line in self.lines for point in line.points for value in (point.low, point.high)]

    @cached_property
    def decades(self) -> float:
        """Returns how many powers of ten the values span; 0 for a linear axis."""
        low, high = min(self.values), max(self.values)
        is_logarithmic = self.may_be_logarithmic and low > 0 and MANY_TIMES * low < high < MOST_TIMES * low
        return log10(high / low) if is_logarithmic else 0.0

    @property
    def has_curves(self) -> bool:
        return any(len(line.points) > 1 for line in self.lines)

    @cached_property
    def shown(self) -> Range | None:
        """Returns the range of values that is shown at first; None: all of them."""
        return room_for_one(self.values) or (without_spikes(self.values) if self.cuts_spikes else None)

    @property
    def summary(self) -> str:
        """Returns what a screen reader says of the chart: its title, and the value at which each line ends."""
        ends = "; ".join(f"{line.name} ends at {rounded(line.points[-1].mean)}" for line in self.lines)
        return f"{self.quantity} over images seen. {ends}"

    @property
    def spikes(self) -> str:
        """Returns how far the values reach beyond what is shown at first; empty if they do not."""
        low, high = self.shown or (-np.inf, np.inf)
        beyond = [value for value in (min(self.values), max(self.values)) if not low <= value <= high]
        return f"spikes to {' and '.join(map(rounded, beyond))}" if beyond else ""

    def as_json(self) -> JSON:
        most = max(30, min(MOST_POINTS, MOST_IN_ALL // len(self.lines)))
        return {"quantity": self.quantity, "decades": self.decades, "shown": self.shown,
                "last": max(line.points[-1].images_seen for line in self.lines),
                "lines": [line_as_json(line, most) for line in self.lines]}


def room_for_one(values: Sequence[float]) -> Range | None:
    """Returns a range around the only value that there is; None if there are several."""
    low, high = min(values), max(values)
    if high - low > SAME * max(abs(low), abs(high)):
        return None
    room = 0.1 * abs(high) or 1.0
    return low - room, high + room


def without_spikes(values: Sequence[float]) -> Range | None:
    """Returns a range without spikes: the highest and the lowest 2 % of the values, at an end where these would make it
    half as wide again, or more. None if there are none."""
    ordered = sorted(values)
    few = len(ordered) // 50
    low, high = ordered[few], ordered[-1 - few]
    width = high - low
    spikes_below, spikes_above = low - ordered[0] > width / 2, ordered[-1] - high > width / 2
    if width == 0 or not spikes_below and not spikes_above:
        return None
    room = 0.05 * width
    return (low if spikes_below else ordered[0]) - room, (high if spikes_above else ordered[-1]) + room


def line_as_json(line: Line, most: int) -> JSON:
    """Returns a line of at most `most` points; `low` and `high` are left out where all seeds have one value."""
    images_seen, means, lows, highs = zip(*thin_out(line.points, most), strict=True)
    band = {"low": packed(lows), "high": packed(highs)} if lows != highs else {}
    return {"name": line.name, "source": line.source, "row": line.row, "style": line.style,
            "images": packed(images_seen), "mean": packed(means), **band}


def packed(numbers: Sequence[float]) -> JSON:
    """Returns numbers as the base64 of an array, and the type of its numbers: float32, or float64 where float32 would
    round a whole number, e.g. of images seen, or not reach."""
    exact = np.asarray(numbers, "<f8")
    with np.errstate(over="ignore"):
        short = exact.astype("<f4")
    is_enough = ((short == exact) | (exact != np.round(exact))) & np.isfinite(short)
    array = short if is_enough.all() else exact
    return {"type": array.dtype.name, "base64": base64.b64encode(array.tobytes()).decode()}
