"""The kernel distance of normalised features, against its definition and values known in closed form."""

import math

import numpy
import pytest
from torch import Tensor

from saddlepoint.metrics import cmmd
from saddlepoint.metrics.bootstrap import resampling_weights
from saddlepoint.metrics.cmmd import NormalisedKernelDistance
from tests.metrics.features import normal, points, sample


def distance(real: Tensor, fake: Tensor, sigma: float = 10.0) -> float:
    return NormalisedKernelDistance(sigma).measure(sample(real), sample(fake), 0, 0).value


def definition(real: Tensor, fake: Tensor, sigma: float = 10.0) -> float:
    """Every pair of images by itself, an image with itself included"""
    def mean_kernel(one, other):
        return numpy.mean([math.exp(-((x - y) ** 2).sum() / (2 * sigma**2)) for x in one for y in other])

    x, y = (each.double().numpy() / numpy.linalg.norm(each.double().numpy(), axis=1, keepdims=True)
            for each in (real, fake))
    return 1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))


@pytest.mark.parametrize("sigma", [10.0, 0.5])
def test_it_is_the_biased_estimate_of_the_squared_mmd_times_1000(sigma):
    real, fake = normal(12, 5, seed=0), 1 + 2 * normal(9, 5, seed=1)
    assert distance(real, fake, sigma) == pytest.approx(definition(real, fake, sigma), rel=1e-10)


def test_two_images_at_a_right_angle_are_apart_by_1_and_the_kernel_by_the_squared_chord():
    """|x - y|^2 = 2: 1000 (1 + 1 - 2 exp(-2 / 200))"""
    assert distance(points((3, 0)), points((0, 7))) == pytest.approx(2000 * (1 - math.exp(-0.01)), rel=1e-12)


def test_lengths_do_not_matter_and_equal_sets_have_distance_0():
    features = normal(20, 4, seed=2)
    assert distance(features, 5 * features) == pytest.approx(0, abs=1e-9)


def test_tiles_change_nothing(monkeypatch):
    real, fake = normal(50, 3, seed=3), 0.5 + normal(41, 3, seed=4)
    whole = distance(real, fake)
    monkeypatch.setattr(cmmd, "tile_side", lambda device, num_features: 16)
    assert distance(real, fake) == pytest.approx(whole, rel=1e-10)


def test_a_resample_is_what_the_drawn_fakes_measure_and_the_interval_is_centred_on_the_value():
    real, fake = normal(30, 3, seed=5), 0.5 + normal(25, 3, seed=6)
    drawn = [distance(real, fake.repeat_interleave(weights, 0)) for weights in resampling_weights(25, 7, 40)]
    measured = NormalisedKernelDistance().measure(sample(real), sample(fake), 7, 40)
    assert measured.value == pytest.approx(distance(real, fake), rel=1e-10)
    spread = numpy.array(drawn) - numpy.mean(drawn)
    expected = measured.value + numpy.quantile(spread, (0.025, 0.975))
    assert measured.interval == pytest.approx(tuple(expected), rel=1e-8)
    assert measured.settings == {"sigma": 10.0}


def test_an_impossible_width_is_named():
    with pytest.raises(ValueError, match="metrics.cmmd.sigma=0 must be above 0"):
        NormalisedKernelDistance(0)
