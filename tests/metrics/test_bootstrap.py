"""Intervals from resampling, against the normal theory of a mean."""

import math

import pytest
import torch

from saddlepoint.metrics.bootstrap import centred_interval, interval_of_mean, resampling_weights


def test_interval_of_a_mean_is_about_two_standard_errors_each_way():
    """N(5, 3^2): mean +- 1.96 s / sqrt(N); 2,000 resamples place a quantile within 5 % of the width or so."""
    values = 5 + 3 * torch.randn(400, generator=torch.Generator().manual_seed(0))
    low, high = interval_of_mean(values, seed=1, resamples=2000)
    half_width = 1.96 * values.std(correction=0).item() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean().item() - half_width, abs=0.12 * half_width)
    assert high == pytest.approx(values.mean().item() + half_width, abs=0.12 * half_width)


def test_interval_of_a_mean_covers_the_truth_in_about_95_of_100_samples():
    """Binomial(100, 0.95) is from 87 to 99 with probability 0.99."""
    draws = torch.Generator().manual_seed(2)
    covered = 0
    for seed in range(100):
        low, high = interval_of_mean(torch.rand(100, generator=draws), seed, resamples=200)
        covered += low <= 0.5 <= high
    assert 87 <= covered <= 99


def test_interval_of_equal_values_has_no_width():
    assert interval_of_mean(torch.full((10,), 0.75), seed=0, resamples=20) == (0.75, 0.75)


def test_interval_depends_on_the_seed_alone():
    values = torch.randn(50, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    first = interval_of_mean(values, seed=7, resamples=100)
    torch.manual_seed(2)
    assert interval_of_mean(values, seed=7, resamples=100) == first
    assert interval_of_mean(values, seed=8, resamples=100) != first


def test_interval_of_a_mean_is_no_less_exact_for_float32_values():
    """10,000 + k / 2^10 is exact in float32; a sum of 1,000 of them is not."""
    values = 10_000 + torch.arange(1000) / 2**10
    assert interval_of_mean(values, 0, 50) == interval_of_mean(values.double(), 0, 50)


def test_weights_of_a_resample_sum_to_the_number_of_images():
    for weights in resampling_weights(37, seed=0, resamples=5):
        assert weights.shape == (37,)
        assert weights.sum() == 37


def test_weights_are_multinomial():
    """Mean 1; variance 1 - 1/N; covariance of two images -1/N; 1/e of the images left out."""
    weights = torch.stack(list(resampling_weights(20, seed=4, resamples=20_000))).double()
    covariance = weights.T.cov()
    torch.testing.assert_close(weights.mean(0), torch.ones(20).double(), atol=0.03, rtol=0)
    expected = torch.eye(20).double() - 1 / 20
    torch.testing.assert_close(covariance, expected, atol=0.06, rtol=0)
    assert (weights == 0).double().mean().item() == pytest.approx((1 - 1 / 20) ** 20, abs=0.005)


def test_centred_interval_takes_the_spread_and_not_the_level():
    resampled = torch.linspace(-1, 1, 401).double()
    low, high = centred_interval(3.0, resampled)
    assert (low, high) == pytest.approx((2.05, 3.95))
    assert centred_interval(3.0, resampled + 100) == pytest.approx((low, high))
