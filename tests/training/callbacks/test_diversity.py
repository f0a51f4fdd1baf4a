"""Total variance against distances counted pair by pair, and where it is known beforehand."""

import pytest
import torch

from saddlepoint.training.callbacks.health import total_variance


def test_it_is_half_the_mean_squared_distance_of_two_different_rows():
    features = torch.randn(13, 5)
    squared = torch.cdist(features.double(), features.double()).square()
    torch.testing.assert_close(total_variance(features), squared.sum() / (13 * 12) / 2)


def test_of_a_gaussian_it_is_the_trace_of_the_covariance():
    """Its standard deviation over draws of N rows is sqrt(2 sum_d v_d^2 / (N - 1)): five of them are allowed."""
    variances = torch.tensor([4.0, 1.0, 0.25])
    features = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)) * variances.sqrt() + 100
    allowed = 5 * (2 * variances.square().sum() / (len(features) - 1)).sqrt()
    assert abs(total_variance(features) - variances.sum()) < allowed


def test_the_number_of_rows_does_not_move_its_mean():
    """tr Cov = 3 of a unit Gaussian in three dimensions, also from two rows at a time"""
    draws = torch.randn(20_000, 2, 3, generator=torch.Generator().manual_seed(1))
    mean = torch.stack([total_variance(rows) for rows in draws.unbind()]).mean()
    assert abs(mean - 3) < 5 * (2 * 3 / 20_000) ** 0.5


@pytest.mark.parametrize("count", [2, 7, 64, 1000])
def test_rows_that_are_all_the_same_have_none_to_the_bit(count):
    assert total_variance(torch.randn(1, 11).mul(1e3).expand(count, 11)) == 0
