"""Curves of several seeds as one line with a band around it. A point is (images seen, value)."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

HUGE = 1e100   # beyond it sums of values may not be finite

Curve = Sequence[tuple[float, float]]


class BandPoint(NamedTuple):
    images_seen: float
    mean: float
    low: float   # of the seeds
    high: float


def seed_band(curves: Sequence[Curve]) -> list[BandPoint]:
    """Mean and range of the seeds that got so far, wherever one of them has a point; the others are interpolated."""
    curves = [kept for curve in curves if (kept := sorted(point for point in curve if abs(point[1]) < HUGE))]
    moments = sorted({images_seen for curve in curves for images_seen, _ in curve})
    columns = [[interpolated(curve, moment) for moment in moments] for curve in curves]
    rows = ([value for value in row if value is not None] for row in zip(*columns, strict=True))
    return [BandPoint(moment, sum(row) / len(row), min(row), max(row))
            for moment, row in zip(moments, rows, strict=True)]


def interpolated(curve: Curve, images_seen: float) -> float | None:
    """On the straight line between two points of a sorted curve; None before its first and after its last"""
    place = bisect_right(curve, images_seen, key=lambda point: point[0])
    if place == 0 or images_seen > curve[-1][0]:
        return None
    before, value = curve[place - 1]
    if place == len(curve) or before == images_seen:
        return value
    after, next_value = curve[place]
    return value + (next_value - value) * (images_seen - before) / (after - before)


def thinned(points: Sequence[BandPoint], most: int) -> list[BandPoint]:
    """At most `most` of the points: of each stretch the lowest and the highest, so that no spike is lost, with the
    whole stretch's band. The first and the last point stay."""
    if len(points) <= most:
        return list(points)
    inner, stretches = points[1:-1], (most - 2) // 2
    edges = [round(len(inner) * index / stretches) for index in range(stretches + 1)]
    kept = [extremes(inner[begin:end]) for begin, end in pairwise(edges)]
    return [points[0], *(point for pair in kept for point in pair), points[-1]]


def extremes(stretch: Sequence[BandPoint]) -> list[BandPoint]:
    low, high = min(point.low for point in stretch), max(point.high for point in stretch)
    places = {min(range(len(stretch)), key=lambda place: stretch[place].mean),
              max(range(len(stretch)), key=lambda place: stretch[place].mean)}
    return [stretch[place]._replace(low=low, high=high) for place in sorted(places)]
