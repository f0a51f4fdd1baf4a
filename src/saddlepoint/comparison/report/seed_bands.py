"""Combines the curves of several seeds into one line with a band around it. A point of a curve is (images seen,
value)."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

HUGE = 1e100   # values from here on are left out, since their sums may not be finite

Curve = Sequence[tuple[float, float]]


class BandPoint(NamedTuple):
    """Mean and range of the seeds at one place of the line."""

    images_seen: float
    mean: float
    low: float   # the least value of a seed
    high: float  # the greatest


def seed_band(curves: Sequence[Curve]) -> list[BandPoint]:
    """Returns mean and range over seeds at every number of images at which one of them has a point.

    Seeds without a point there are interpolated; those that ended before, or begin later, do not count.
    """
    curves = [points for curve in curves if (points := sorted(point for point in curve if abs(point[1]) < HUGE))]
    moments = sorted({images_seen for curve in curves for images_seen, _ in curve})
    columns = [[interpolate(curve, moment) for moment in moments] for curve in curves]
    rows = ([value for value in row if value is not None] for row in zip(*columns, strict=True))
    return [BandPoint(moment, sum(row) / len(row), min(row), max(row))
            for moment, row in zip(moments, rows, strict=True)]


def interpolate(curve: Curve, images_seen: float) -> float | None:
    """Returns a sorted curve's value between two of its points, on a straight line; None outside the curve."""
    place = bisect_right(curve, images_seen, key=lambda point: point[0])
    if place == 0 or images_seen > curve[-1][0]:
        return None
    before, value = curve[place - 1]
    if place == len(curve) or before == images_seen:
        return value
    after, next_value = curve[place]
    return value + (next_value - value) * (images_seen - before) / (after - before)


def thin_out(points: Sequence[BandPoint], most: int) -> list[BandPoint]:
    """Returns at most `most` of the points.

    The first and the last stay. The others are cut into stretches; the lowest and the highest mean of each stretch
    stay, so that no spike is lost, and have the range of the whole stretch.
    """
    if len(points) <= most:
        return list(points)
    inner, stretches = points[1:-1], (most - 2) // 2
    edges = [round(len(inner) * index / stretches) for index in range(stretches + 1)]
    pairs = [extremes(inner[begin:end]) for begin, end in pairwise(edges)]
    return [points[0], *(point for pair in pairs for point in pair), points[-1]]


def extremes(stretch: Sequence[BandPoint]) -> list[BandPoint]:
    """Returns the points of lowest and highest mean in their order, each with the range of the whole stretch."""
    low, high = min(point.low for point in stretch), max(point.high for point in stretch)
    places = {min(range(len(stretch)), key=lambda place: stretch[place].mean),
              max(range(len(stretch)), key=lambda place: stretch[place].mean)}
    return [stretch[place]._replace(low=low, high=high) for place in sorted(places)]
