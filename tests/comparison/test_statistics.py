"""Means, intervals and p, against scipy and closed forms."""

import math

import numpy as np
import pytest
import scipy.stats

from saddlepoint.comparison.statistics import MOST_EXACT, paired_difference, summarise, unpaired_difference


def drawn(count, seed, shift=0.0):
    return (np.random.default_rng(seed).normal(20, 3, count) + shift).tolist()


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_interval_is_students(count):
    values = drawn(count, 0)
    found = summarise(values)
    low, high = scipy.stats.t.interval(0.95, count - 1, np.mean(values), scipy.stats.sem(values))
    assert found.interval == pytest.approx((low, high)) and found.count == count
    assert found.deviation == pytest.approx(np.std(values) * math.sqrt(count / (count - 1)))


def test_one_seed_has_a_mean_and_nothing_else():
    assert (summarise([4.0]).mean, summarise([4.0]).deviation, summarise([4.0]).interval) == (4.0, None, None)


def statistic(first, second, axis):
    return np.mean(first, axis=axis) - np.mean(second, axis=axis)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_paired_by_seed_it_is_scipys_test_of_signs(count, shift):
    values, baseline = drawn(count, 1, shift), drawn(count, 2)
    found = paired_difference(values, baseline)
    theirs = scipy.stats.permutation_test((values, baseline), statistic, permutation_type="samples", n_resamples=np.inf)
    assert found.p == pytest.approx(theirs.pvalue) and found.mean == pytest.approx(theirs.statistic)
    assert found.paired and found.exact


@pytest.mark.parametrize(("count", "others"), [(3, 3), (2, 5), (3, 2), (6, 5)])
@pytest.mark.parametrize("shift", [0.0, 4.0, -6.0])
def test_unpaired_it_is_scipys_test_of_all_ways_to_deal(count, others, shift):
    values, baseline = drawn(count, 3, shift), drawn(others, 4)
    found = unpaired_difference(values, baseline)
    theirs = scipy.stats.permutation_test((values, baseline), statistic, permutation_type="independent",
                                          n_resamples=np.inf)
    assert found.p == pytest.approx(theirs.pvalue) and found.mean == pytest.approx(theirs.statistic)
    assert not found.paired and found.exact


@pytest.mark.parametrize("count", [1, 3, 6])
def test_the_smallest_p_is_that_of_seeds_which_all_agree(count):
    """2 of 2^n sign patterns, and 2 of (2n choose n) ways to deal: every value of one row above all of the other"""
    low, high = [1.0 + seed / 100 for seed in range(count)], [5.0 + seed / 10 for seed in range(count)]
    signs, dealt = paired_difference(high, low), unpaired_difference(high, low)
    assert signs.p == signs.smallest_p == 2 / 2**count
    assert dealt.p == dealt.smallest_p == 2 / math.comb(2 * count, count)


@pytest.mark.parametrize("test", [paired_difference, unpaired_difference])
def test_equal_rows_do_not_differ(test):
    assert test([2.0, 3.0, 5.0], [2.0, 3.0, 5.0]).p == 1


def test_many_seeds_are_drawn_and_come_near_the_normal_limit():
    """Of 40 seeds the mean of random signs is nearly normal, with variance sum(d^2) / n^2."""
    values, baseline = drawn(40, 5, 1.0), drawn(40, 6)
    found, differences = paired_difference(values, baseline), np.subtract(values, baseline)
    z = differences.sum() / math.sqrt((differences**2).sum())
    assert not found.exact and found.smallest_p == pytest.approx(2 / (MOST_EXACT + 1))
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(abs(z)), abs=0.02)
    dealt = unpaired_difference(values, baseline)
    t = scipy.stats.ttest_ind(values, baseline)
    assert not dealt.exact and dealt.p == pytest.approx(t.pvalue, abs=0.02)
