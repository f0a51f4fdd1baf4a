"""Means over seeds and how sure they are; differences of two rows and how surprising. Numbers in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, sqrt

import numpy as np

CONFIDENCE = 0.95
MOST_EXACT = 20_000  # arrangements that are all looked at; of more, as many are drawn
ROUNDING = 1e-12  # of the largest value: arrangements that differ by less are equal


@dataclass(frozen=True)
class Summary:
    """Of the values of some seeds."""

    count: int
    mean: float
    deviation: float | None  # of the sample, divisor count - 1; None: one seed has none
    interval: tuple[float, float] | None  # 95 %, Student's t over seeds; None: one seed


@dataclass(frozen=True)
class Difference:
    """Of a row to the baseline: its mean minus the baseline's."""

    mean: float
    p: float  # two-sided, of a permutation test
    smallest_p: float  # that the test could have found with this many seeds
    paired: bool  # by seed
    exact: bool  # all arrangements were looked at; else MOST_EXACT random ones


def summary(values: Sequence[float]) -> Summary:
    """mean +- t(97.5 %, n - 1) s / sqrt(n)"""
    from scipy.special import stdtrit  # a third of a second

    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Summary(count, mean, None, None)
    deviation = float(np.std(values, ddof=1))
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * deviation / sqrt(count)
    return Summary(count, mean, deviation, (mean - half, mean + half))


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """The i-th of both have a seed in common. If the row were no different, each difference might as well have the
    other sign: 2^n sign patterns, each as likely (Fisher 1935, The Design of Experiments, section 21)."""
    differences = np.subtract(values, baseline)
    count, exact = len(differences), 2 ** len(differences) <= MOST_EXACT
    if exact:
        negative = (np.arange(2 ** count)[:, None] >> np.arange(count)) & 1
    else:
        negative = np.random.default_rng(0).integers(0, 2, (MOST_EXACT, count))
    means = ((1 - 2 * negative) * differences).mean(axis=1)
    return _difference(differences.mean(), means, _scale(values, baseline), paired=True, exact=exact)


def unpaired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """If the row were no different, each way to deal all values into groups of these sizes would be as likely (Pitman
    1937, https://doi.org/10.2307/2984124)."""
    everything, count = np.concatenate([values, baseline]), len(values)
    exact = comb(len(everything), count) <= MOST_EXACT
    if exact:
        first = np.array([*combinations(range(len(everything)), count)])
    else:
        random = np.random.default_rng(0)
        first = np.array([random.permutation(len(everything))[:count] for _ in range(MOST_EXACT)])
    sums = everything[first].sum(axis=1)
    means = sums / count - (everything.sum() - sums) / (len(everything) - count)
    return _difference(np.mean(values) - np.mean(baseline), means, _scale(values, baseline), paired=False, exact=exact)


def _difference(observed: float, means: np.ndarray, scale: float, paired: bool, exact: bool) -> Difference:
    """means: of every arrangement, or of random ones, to which the observed one is added. Twice the smaller tail."""
    drawn = 0 if exact else 1
    tails = [int(np.sum(means >= observed - ROUNDING * scale)), int(np.sum(means <= observed + ROUNDING * scale))]
    arrangements = len(means) + drawn
    return Difference(float(observed), min(1.0, 2 * (min(tails) + drawn) / arrangements), min(1.0, 2 / arrangements),
                      paired, exact)


def _scale(*groups: Sequence[float]) -> float:
    return max(float(np.max(np.abs(group))) for group in groups)
