"""The Fréchet distance against closed forms, two other implementations, and 40 digits where float64 is short."""

import math

import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from saddlepoint.metrics.frechet import frechet_distance
from saddlepoint.metrics.gaussians import PRECISION, nuclear_norm, sum_of_roots
from saddlepoint.metrics.sums import Moments


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(size: int, seed: int = 99) -> Tensor:
    return torch.linalg.qr(normal(size, size, seed=seed)).Q


def between(first: Tensor, second: Tensor) -> float:
    """features [N, D], [M, D]"""
    one, other = Moments.of(first), Moments.of(second)
    return frechet_distance(one.mean, one.covariance, other.mean, other.covariance)


def correlated(count: int, seed: int, features: int = 48) -> Tensor:
    """[count, features] float32, as networks' are: standard deviations over two decades, positive means"""
    spread = torch.logspace(0, -2, features, dtype=torch.float64)
    return (normal(count, features, seed=seed) * spread @ rotation(features, seed=seed // 10) + 0.5).float()


def to_40_digits(first: Tensor, second: Tensor) -> mpmath.mpf:
    """tr (S1 S2)^(1/2) is the nuclear norm of X1 X2^T / sqrt((N - 1)(M - 1)), X centred features: no covariance."""
    with mpmath.workdps(40):
        sets = [[[mpmath.mpf(value) for value in row] for row in features.tolist()] for features in (first, second)]
        means = [[mpmath.fsum(column) / len(rows) for column in zip(*rows, strict=True)] for rows in sets]
        one, other = (mpmath.matrix([[value - mean for value, mean in zip(row, centre, strict=True)] for row in rows])
                      / mpmath.sqrt(len(rows) - 1) for rows, centre in zip(sets, means, strict=True))
        root = mpmath.fsum(mpmath.svd_r(one * other.T, compute_uv=False))
        total = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True)) - 2 * root
        return total + mpmath.fsum(value ** 2 for matrix in (one, other) for value in matrix)


def test_in_one_dimension_it_is_the_difference_of_means_and_of_deviations():
    distance = frechet_distance(*(torch.tensor(each).double() for each in ([2.0], [[9.0]], [-1.0], [[0.25]])))
    assert distance == pytest.approx((2 + 1) ** 2 + (3 - 0.5) ** 2, rel=1e-14)


@pytest.mark.parametrize("smallest", [1, 1e-3, 1e-5])
def test_where_covariances_commute_deviations_are_compared_axis_by_axis(smallest):
    deviations = torch.logspace(0, math.log10(smallest), 64, dtype=torch.float64)
    others, axes = deviations * (1 + torch.rand(64, generator=torch.Generator().manual_seed(1))), rotation(64)
    mean = normal(64, seed=2)
    distance = frechet_distance(mean, axes * deviations.square() @ axes.T, mean + 0.1, axes * others.square() @ axes.T)
    assert distance == pytest.approx(64 * 0.1**2 + (deviations - others).square().sum().item(), rel=1e-12)


def test_it_is_that_of_torch_fidelity():
    real, fake = correlated(500, seed=1), correlated(400, seed=12)
    statistics = [fid_features_to_statistics(features.double()) for features in (real, fake)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]
    assert between(real, fake) == pytest.approx(expected, rel=1e-9)


def test_it_is_that_of_scipy_as_pytorch_fid_calls_it():
    real, fake = correlated(500, seed=1), correlated(400, seed=12)
    means, covariances = zip(*((each.mean(0), np.cov(each, rowvar=False))
                               for each in (real.double().numpy(), fake.double().numpy())), strict=True)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert between(real, fake) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("counts", [(12, 10), (12, 60), (60, 12)], ids=str)
def test_with_fewer_images_than_features_it_is_right(counts):
    real, fake = correlated(counts[0], 1, features=24), correlated(counts[1], 12, features=24)
    assert between(real, fake) == pytest.approx(float(to_40_digits(real, fake)), rel=PRECISION)


def test_with_dead_and_repeated_features_it_is_right():
    real, fake = correlated(40, 1, features=12), correlated(30, 12, features=12)
    real[:, 3], real[:, 7], fake[:, 5], fake[:, 8] = 0.3, 0.0, -4.7, fake[:, 2]
    assert between(real, fake) == pytest.approx(float(to_40_digits(real, fake)), rel=PRECISION)


@pytest.mark.parametrize("value", [0.1, 0.3, 1.7, -1000.1])
def test_a_dead_feature_of_many_images_stays_dead(value):
    """Its sums over 50,000 images leave a variance of rounding, whose root would count 1e-6. By definition it adds the
    difference of its means and the other's variance, whatever the other's covariances with it are."""
    real, fake = torch.rand(50_000, 3, generator=torch.Generator().manual_seed(0)), correlated(500, 1, features=3)
    real[:, 2] = value
    fake[:, 2] += value
    moments, other = Moments(3), Moments.of(fake)
    for batch in real.split(64):
        moments.update(batch)
    distance = frechet_distance(moments.mean, moments.covariance, other.mean, other.covariance)
    added = (real[0, 2].double() - other.mean[2]) ** 2 + other.covariance[2, 2]
    assert distance == pytest.approx(between(real[:, :2], fake[:, :2]) + added.item(), rel=1e-11)


def test_features_of_very_different_size_all_count():
    """(3e-7 - 1e-7)^2, the rest being equal: with a floor in proportion to the largest variance it would be 0."""
    mean, one, other = torch.zeros(3).double(), torch.eye(3).double(), torch.eye(3).double()
    one[2, 2], other[2, 2] = 1e-14, 9e-14
    assert frechet_distance(mean, one, mean, other) == pytest.approx(4e-14, abs=2e-15)


@pytest.mark.parametrize("count", [20, 400])
def test_from_itself_it_is_0_and_never_less(count):
    for seed in range(10):
        features = correlated(count, seed)
        assert 0 <= between(features, features) <= 1e-13 * features.var(0).sum()
        assert 0 <= between(features, features.flip(0)) <= 1e-13 * features.var(0).sum()


@pytest.mark.parametrize("count", [20, 400])
def test_either_side_may_come_first(count):
    real, fake = correlated(count, 1), correlated(300, 12)
    assert between(real, fake) == pytest.approx(between(fake, real), rel=1e-12)


@pytest.mark.parametrize("count", [20, 400])
def test_turning_both_changes_nothing(count):
    real, fake, turn = correlated(count, 1).double(), correlated(300, 12).double(), rotation(48, seed=5)
    assert between(real @ turn, fake @ turn) == pytest.approx(between(real, fake), rel=1e-9)


@pytest.mark.parametrize("factor", [1e-9, 3.0, 1e9])
def test_scaling_both_scales_it_by_the_square(factor):
    real, fake = correlated(20, 1).double(), correlated(300, 12).double()
    assert between(factor * real, factor * fake) == pytest.approx(factor**2 * between(real, fake), rel=1e-12)


def test_sets_without_any_variance_are_as_far_apart_as_their_means():
    assert between(torch.ones(5, 3), torch.zeros(4, 3)) == 3
    assert between(torch.zeros(5, 3), torch.zeros(4, 3)) == 0


def test_small_singular_values_count_in_full():
    """Roots of the eigenvalues of M^T M are wrong by 1e-8 of the largest."""
    values = torch.logspace(0, -15, 40, dtype=torch.float64)
    assert nuclear_norm(rotation(50)[:, :40] * values @ rotation(40).T) == pytest.approx(values.sum().item(), abs=2e-15)


def test_the_fast_way_knows_how_far_off_it_may_be():
    for smallest in (1, 1e-3, 1e-6, 1e-9, 1e-15):
        values = torch.logspace(0, math.log10(smallest), 40, dtype=torch.float64)
        matrix = rotation(50)[:, :40] * values @ rotation(40).T
        total, uncertainty = sum_of_roots(matrix.T @ matrix)
        assert abs(total - values.sum().item()) <= uncertainty + 1e-14
        assert (uncertainty < 1e-9) == (smallest >= 1e-3)
