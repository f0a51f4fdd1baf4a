"""Computes means over seeds with their confidence intervals, and permutation tests of the difference of two rows.

It knows numbers only, neither runs nor metrics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, sqrt

import numpy as np

CONFIDENCE = 0.95
MOST_EXACT = 20_000  # up to so many arrangements are all computed; if there are more, so many are drawn at random
ROUNDING = 1e-12  # share of the largest value: means that differ by less count as equal


@dataclass(frozen=True)
class Summary:
    """The values of several seeds in a few numbers."""

    count: int
    mean: float
    deviation: float | None  # of the sample, divisor count - 1; None for one seed
    interval: tuple[float, float] | None  # 95 %, Student's t over seeds; None for one seed


@dataclass(frozen=True)
class Difference:
    """A row's mean minus the baseline's, and a permutation test of it."""

    mean: float
    p: float  # two-sided
    smallest_p: float  # the smallest p that is possible with this many seeds
    paired: bool  # by seed
    exact: bool  # p is of all arrangements; else of MOST_EXACT random ones


def summarise(values: Sequence[float]) -> Summary:
    """Returns mean and deviation s of n values, and the interval mean +- t(97.5 %, n - 1) s / sqrt(n)."""
    from scipy.special import stdtrit  # the import takes a third of a second

    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Summary(count, mean, None, None)
    deviation = float(np.std(values, ddof=1))
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * deviation / sqrt(count)
    return Summary(count, mean, deviation, (mean - half, mean + half))


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """Returns the difference of two rows whose i-th values have the same seed, tested by sign flips.

    If the recipes were equal, each of the n differences might as well have the other sign: 2^n sign patterns, each as
    likely (Fisher 1935, The Design of Experiments, section 21).
    """
    differences = np.subtract(values, baseline)
    count, exact = len(differences), 2 ** len(differences) <= MOST_EXACT
    if exact:
        negative = (np.arange(2 ** count)[:, None] >> np.arange(count)) & 1
    else:
        negative = np.random.default_rng(0).integers(0, 2, (MOST_EXACT, count))
    means = ((1 - 2 * negative) * differences).mean(axis=1)
    return _difference(differences.mean(), means, _scale(values, baseline), paired=True, exact=exact)


def unpaired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """Returns the difference of two rows whose seeds do not match, tested by dealing their values anew.

    If the recipes were equal, each way to deal all values into groups of these sizes would be as likely (Pitman 1937,
    https://doi.org/10.2307/2984124).
    """
    pooled, count = np.concatenate([values, baseline]), len(values)
    exact = comb(len(pooled), count) <= MOST_EXACT
    if exact:
        first = np.array([*combinations(range(len(pooled)), count)])
    else:
        random = np.random.default_rng(0)
        first = np.array([random.permutation(len(pooled))[:count] for _ in range(MOST_EXACT)])
    sums = pooled[first].sum(axis=1)
    means = sums / count - (pooled.sum() - sums) / (len(pooled) - count)
    return _difference(np.mean(values) - np.mean(baseline), means, _scale(values, baseline), paired=False, exact=exact)


def _difference(observed: float, means: np.ndarray, scale: float, paired: bool, exact: bool) -> Difference:
    """Returns the difference with p, twice the smaller tail. `means` [arrangements] has the difference of means in each
    arrangement; to random ones, the observed one is added."""
    added = 0 if exact else 1
    tails = [int(np.sum(means >= observed - ROUNDING * scale)), int(np.sum(means <= observed + ROUNDING * scale))]
    arrangements = len(means) + added
    return Difference(float(observed), min(1.0, 2 * (min(tails) + added) / arrangements), min(1.0, 2 / arrangements),
                      paired, exact)


def _scale(*groups: Sequence[float]) -> float:
    return max(float(np.max(np.abs(group))) for group in groups)
