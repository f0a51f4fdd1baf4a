"""FID, its interval and its extrapolation, on Gaussians whose distance is known."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from saddlepoint.metrics import frechet
from saddlepoint.metrics.bootstrap import resampling_weights
from saddlepoint.metrics.frechet import (
    ExtrapolatedFrechetDistance,
    FrechetDistance,
    SpatialFrechetDistance,
    frechet_distance,
    value_at_infinity,
)
from saddlepoint.metrics.metric import Sample, Setup
from saddlepoint.metrics.neighbours import Duplicates
from saddlepoint.metrics.sums import Moments
from tests.metrics.features import setup

OFFSET = 0.25  # between the means of real and fake, in each feature


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sample(features: Tensor) -> Sample:
    return Sample(Moments.of(features), features=features)


def fakes(count: int, features: int, seed: int) -> Sample:
    """From N(OFFSET, 1.5^2)"""
    return sample(1.5 * normal(count, features, seed=seed) + OFFSET)


def standard_normal(features: int) -> Sample:
    """A reference that is N(0, 1) exactly: moments, and no images"""
    return Sample(Moments.from_tensors({"count": torch.tensor(1001), "sum": torch.zeros(features).double(),
                                        "outer": 1000 * torch.eye(features).double()}))


def true_distance(features: int) -> float:
    return features * (OFFSET**2 + (1.5 - 1) ** 2)


def images(num_real: int, num_fake: int) -> Setup:
    return Setup(extractor="digits", num_features=64, num_classes=10, num_real=num_real, num_fake=num_fake)


# FID


def test_fid_is_the_distance_of_the_moments():
    real, fake = sample(normal(80, 6, seed=0)), fakes(60, 6, seed=1)
    measured = FrechetDistance().measure(real, fake, seed=0, resamples=0)
    assert measured.interval is None
    assert measured.value == frechet_distance(real.moments.mean, real.moments.covariance,
                                              fake.moments.mean, fake.moments.covariance)


def test_fid_of_many_samples_of_two_gaussians_is_their_distance():
    measured = FrechetDistance().measure(standard_normal(4), fakes(100_000, 4, seed=0), seed=0, resamples=0)
    assert measured.value == pytest.approx(true_distance(4), rel=0.02)


@pytest.mark.parametrize(("num_real", "num_fake", "few"), [
    (50, 65, "50 real"), (65, 64, "64 fake"), (1, 2, "1 real and 2 fake")])
def test_fid_needs_more_images_than_features(num_real, num_fake, few):
    assert FrechetDistance().problem(images(num_real, num_fake)) == (
        f"fid_digits needs at least 65 images on each side, since digits has 64 features, and there are {few} ones")
    assert FrechetDistance().problem(images(65, 65)) is None


def spread(values: list[float]) -> float:
    """Width of a 95 % interval of a normal distribution"""
    return 2 * 1.96 * torch.tensor(values).std().item()


@pytest.mark.parametrize("metric", [FrechetDistance(), ExtrapolatedFrechetDistance(4)], ids=lambda metric: metric.name)
def test_interval_is_as_wide_as_values_of_other_fakes_are_spread(metric):
    """The spread of 60 is known to 9 %; its bootstrap from one sample to 20 % or so, and the mean of eight is taken."""
    real, several = standard_normal(2), [fakes(200, 2, seed) for seed in range(60)]
    expected = spread([metric.measure(real, fake, 0, resamples=0).value for fake in several])
    intervals = [metric.measure(real, fake, 0, resamples=60).interval for fake in several[:8]]
    assert sum(high - low for low, high in intervals) / 8 == pytest.approx(expected, rel=0.35)


def test_interval_holds_the_value_even_where_every_resample_scores_worse():
    real, fake, metric = standard_normal(32), fakes(200, 32, seed=0), FrechetDistance()
    measured = metric.measure(real, fake, seed=0, resamples=20)
    resamples = [sample(fake.features.repeat_interleave(weights, dim=0)) for weights in resampling_weights(200, 0, 20)]
    assert all(metric.measure(real, resample, 0, 0).value > measured.value for resample in resamples)
    assert measured.interval[0] < measured.value < measured.interval[1]


def test_interval_of_the_extrapolated_holds_the_value():
    measured = ExtrapolatedFrechetDistance(3).measure(standard_normal(32), fakes(200, 32, seed=0), 0, resamples=20)
    assert measured.interval[0] < measured.value < measured.interval[1]


def test_interval_does_not_go_below_0():
    fake = sample(normal(100, 2, seed=0))
    measured = FrechetDistance().measure(fake, fake, 0, resamples=20)
    assert measured.interval[0] == 0 <= measured.value


# FID extrapolated


def test_a_line_in_one_over_n_is_continued_exactly():
    counts = torch.tensor([100, 150, 400, 1000])
    assert value_at_infinity(counts, 3.0 + 50 / counts.double()) == pytest.approx(3.0, rel=1e-14)


def test_points_off_the_line_are_fitted_by_least_squares():
    counts, values = torch.tensor([10, 20, 50, 90, 100]), normal(5, seed=0).double()
    assert value_at_infinity(counts, values) == pytest.approx(np.polyfit(1 / counts.numpy(), values.numpy(), 1)[1])


@pytest.mark.parametrize("seed", range(3))
def test_extrapolated_fid_is_nearer_the_truth(seed):
    real, fake = standard_normal(32), fakes(500, 32, seed)
    plain, extrapolated = (metric.measure(real, fake, seed, 0).value
                           for metric in (FrechetDistance(), ExtrapolatedFrechetDistance()))
    assert abs(extrapolated - true_distance(32)) < 0.5 * abs(plain - true_distance(32))


def test_subsets_grow_evenly_to_all_fakes(monkeypatch):
    counts, gaussian_of = [], frechet.gaussian_of
    monkeypatch.setattr(frechet, "gaussian_of", lambda moments: counts.append(moments.count) or gaussian_of(moments))
    ExtrapolatedFrechetDistance(points=5, smallest_share=0.2).measure(standard_normal(2), fakes(50, 2, 0), 0, 0)
    assert counts[1:] == [10, 20, 30, 40, 50]  # after the reference


def test_a_seed_fixes_subsets_and_interval():
    real, fake, metric = standard_normal(2), fakes(50, 2, seed=0), ExtrapolatedFrechetDistance(points=3)
    torch.manual_seed(1)
    first = metric.measure(real, fake, seed=7, resamples=5)
    torch.manual_seed(2)
    assert metric.measure(real, fake, seed=7, resamples=5) == first
    assert metric.measure(real, fake, seed=8, resamples=5).value != first.value
    assert first.settings == {"points": 3, "smallest_share": 0.2}


def test_the_smallest_subset_needs_more_images_than_features():
    metric = ExtrapolatedFrechetDistance(smallest_share=0.2)
    assert metric.problem(images(65, 324)) == (
        "fid_infinity_digits needs at least 325 fakes, since the smallest subset it measures, 0.2 of them, must hold "
        "more images than digits has features, 64, and there are 324")
    assert metric.problem(images(65, 325)) is None
    assert "50 real ones" in metric.problem(images(50, 325))


@pytest.mark.parametrize("settings", [{"points": 1}, {"smallest_share": 0.0}, {"smallest_share": 1.0}], ids=str)
def test_settings_without_a_line_are_refused(settings):
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=f"metrics.fid_infinity.{name}={value} must be"):
        ExtrapolatedFrechetDistance(**settings)


# sFID


def test_sfid_is_the_frechet_distance_of_spatial_features_as_scipy_has_it():
    real, fake = (0.5 * normal(60, 5, seed=seed) + seed for seed in (0, 1))
    covariances = [np.cov(each.double().numpy(), rowvar=False) for each in (real, fake)]
    means = [each.double().numpy().mean(0) for each in (real, fake)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    samples = [Sample(Moments.of(normal(60, 3, seed=9)), spatial=Moments.of(each)) for each in (real, fake)]
    measured = SpatialFrechetDistance().measure(*samples, seed=0, resamples=5)
    assert measured.value == pytest.approx(expected, rel=1e-9)
    assert measured.interval is None and measured.reason == "spatial features of single images are not kept"


def test_sfid_without_spatial_moments_of_the_real_images_has_no_value_and_says_why():
    stored = setup(num_spatial=5, stored=True, real_spatial=False)
    assert SpatialFrechetDistance().problem(stored).startswith("sfid needs mu_s and sigma_s of real images")
    assert SpatialFrechetDistance().problem(replace(stored, real_spatial=True)) is None


def test_a_file_of_statistics_is_enough_for_what_looks_at_real_moments_alone():
    stored = setup(stored=True, num_real=0)
    assert FrechetDistance().problem(stored) is None and ExtrapolatedFrechetDistance().problem(stored) is None
    assert "a file of statistics has only their mean" in Duplicates().problem(stored)


def test_sfid_needs_spatial_features_and_more_images_than_it_has_of_them():
    metric = SpatialFrechetDistance()
    assert metric.problem(setup()).startswith("sfid needs an extractor with spatial features, and digits has none: ")
    assert metric.problem(setup(num_spatial=999)) is None
    assert "sfid_digits needs at least 1001 images" in metric.problem(setup(num_spatial=1000))
