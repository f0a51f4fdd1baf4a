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
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Summary(count, mean, None, None)
    return _summary(count, mean, float(np.std(values, ddof=1)))


def of_standard_error(mean: float, error: float, count: int) -> Summary:
    """Returns the summary of `count` values, 2 or more, of which a paper tells the mean and its standard error."""
    return _summary(count, mean, error * sqrt(count))


def _summary(count: int, mean: float, deviation: float) -> Summary:
    half = t_quantile(count - 1) * deviation / sqrt(count)
    return Summary(count, mean, deviation, (mean - half, mean + half))


def t_quantile(degrees: float) -> float:
    """Returns the bound that |t| exceeds in 5 % of cases, of Student's t with so many degrees of freedom."""
    from scipy.special import stdtrit  # the import takes a third of a second

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def difference_of_means(one: Summary, other: Summary) -> tuple[float, float]:
    """Returns the 95 % interval of the difference of two means of two values or more each (Welch 1947,
    https://doi.org/10.2307/2332510). It holds 0 where Welch's t test at 5 % finds no difference.

    The degrees of freedom are Satterthwaite's: (a + b)^2 / (a^2 / (n - 1) + b^2 / (m - 1)), where a and b are the
    squares of the standard errors, of n and m values.
    """
    squares = [each.deviation ** 2 / each.count for each in (one, other)]
    difference, error = one.mean - other.mean, sqrt(sum(squares))
    if error == 0:  # all values of each are alike
        return difference, difference
    degrees = sum(squares) ** 2 / sum(square ** 2 / (each.count - 1)
                                      for square, each in zip(squares, (one, other), strict=True))
    half = t_quantile(degrees) * error
    return difference - half, difference + half


def range_of_another(summary: Summary) -> tuple[float, float]:
    """Returns the 95 % prediction interval of one more value, mean +- t(97.5 %, n - 1) s sqrt(1 + 1 / n), of two values
    or more."""
    half = t_quantile(summary.count - 1) * summary.deviation * sqrt(1 + 1 / summary.count)
    return summary.mean - half, summary.mean + half


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
