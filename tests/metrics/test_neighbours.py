"""Duplicates and memorisation, with points placed for the purpose."""

import math

import pytest
import torch

from saddlepoint.metrics.neighbours import Duplicates, NeighbourDistance, closest_training_images, interval_of_median
from tests.metrics.features import normal, points, sample, setup


def duplicates(real, fake, quantile: float = 0.01, seed: int = 0) -> float:
    return Duplicates(quantile).measure(sample(real), sample(fake), seed, 0).value


def distance(real, fake) -> float:
    return NeighbourDistance().measure(sample(real), sample(fake), 0, 0).value


def test_a_generator_that_repeats_itself_makes_duplicates_only():
    real, image = normal(300, 5, seed=0), normal(1, 5, seed=1)
    assert duplicates(real, image.repeat(300, 1)) == 1
    assert duplicates(real, image + 1e-4 * normal(300, 5, seed=2)) == 1


def test_the_share_is_that_of_fakes_that_have_a_twin():
    """30 of 300 fakes are 15 pairs of copies, the others as diverse as real images. With a quantile of 1/299 the
    threshold is the second smallest of 300 distances. These are pairwise equal: the smallest gap of real images."""
    real, fake = normal(300, 5, seed=3), 1.5 * normal(285, 5, seed=4)
    gap = torch.cdist(real, real).fill_diagonal_(torch.inf).min()
    alone = torch.cdist(fake, fake).fill_diagonal_(torch.inf).min(1).values
    expected = (30 + (alone[15:] <= gap).sum().item()) / 300
    assert duplicates(real, torch.cat([fake, fake[:15]]), 1 / 299) == pytest.approx(expected)


def test_fakes_as_diverse_as_real_images_score_about_the_quantile():
    """Independent distances would vary by sqrt(2 * 0.1 * 0.9 / 1500) = 0.011; pairs count twice: 0.016; 4 of these"""
    assert duplicates(normal(1500, 3, seed=5), normal(1500, 3, seed=6), 0.1) == pytest.approx(0.1, abs=0.062)


@pytest.mark.parametrize("num_real, num_fake", [(1500, 400), (400, 1500)])
def test_unequal_numbers_do_not_look_like_duplicates(num_real, num_fake):
    """In 1 dimension 4 times as many images lie 4 times nearer: without the subset far more (or fewer) than 0.2"""
    real, fake = normal(num_real, 1, seed=7), normal(num_fake, 1, seed=8)
    assert duplicates(real, fake, 0.2) == pytest.approx(0.2, abs=4 * math.sqrt(4 * 0.2 * 0.8 / 400))


def test_copies_among_real_images_do_not_hide_a_generator_that_repeats_itself():
    """Threshold 0, and fakes 0 apart"""
    real = normal(50, 4, seed=9).repeat(2, 1)
    assert duplicates(real, normal(1, 4, seed=10).repeat(100, 1)) == 1
    assert duplicates(real, normal(100, 4, seed=10)) == 0


def test_duplicates_say_their_threshold_and_how_many_were_compared():
    """At 0, 1, 3, 7 the nearest others are 1, 1, 2, 4 away: the median is 1.5. Of the fakes two are 1.4 apart."""
    real, fake = points((0,), (1,), (3,), (7,)), points((0,), (1.4,), (9,), (20,))
    measured = Duplicates(0.5).measure(sample(real), sample(fake), 0, 100)
    assert measured.value == 2 / 4 and measured.details["threshold"] == 1.5
    assert measured.settings == {"quantile": 0.5, "compared": 4} and measured.interval is None


def test_duplicates_depend_on_the_seed_alone_and_leave_torchs_generator_alone():
    real, fake, state = normal(200, 2, seed=11), normal(100, 2, seed=12), torch.get_rng_state()
    assert duplicates(real, fake, 0.3, seed=1) == duplicates(real, fake, 0.3, seed=1)
    assert len({duplicates(real, fake, 0.3, seed) for seed in range(8)}) > 1
    assert torch.equal(torch.get_rng_state(), state)


def test_copies_of_training_images_are_0_away():
    real = 100 + normal(60, 50, seed=13)
    assert distance(real, real[torch.arange(30) % 7].clone()) == 0


def test_fakes_of_the_distribution_of_the_training_images_are_as_far_from_them_as_they_from_each_other():
    """The other half of one set. Neighbours in 2 dimensions vary by 52 % (a Rayleigh distribution), so medians of 1,000
    do by about 0.52 * 1.25 / sqrt(1000) = 2 %, their ratio by 3 %."""
    images = normal(2000, 2, seed=14)
    assert distance(images[:1000], images[1000:]) == pytest.approx(1, abs=0.12)


def test_the_distance_is_the_median_of_fakes_over_that_of_training_images():
    """Training images at 0, 2, 4, 10: nearest others 2, 2, 2, 6, median 2. Fakes at 1, 5, 13: 1, 1, 3 away: 1."""
    real, fake = points((0,), (2,), (4,), (10,)), points((1,), (5,), (13,))
    measured = NeighbourDistance().measure(sample(real), sample(fake), 0, 0)
    assert measured.value == 1 / 2 and measured.interval is None
    assert measured.details == {"fake_to_real": 1, "real_to_real": 2}


def test_the_distance_has_no_unit():
    real, fake = normal(50, 4, seed=15), normal(40, 4, seed=16)
    assert distance(8 * real, 8 * fake) == pytest.approx(distance(real, fake), rel=1e-6)


def test_the_distance_is_not_a_number_where_training_images_are_copies_of_each_other():
    assert math.isnan(distance(normal(5, 3, seed=17).repeat(2, 1), normal(5, 3, seed=18)))


@pytest.mark.parametrize("count", [9, 10, 57, 200, 1001])
def test_the_interval_of_a_median_covers_it_with_a_probability_of_95_percent(count):
    """It is between the values of ranks l and u when l to u - 1 of them are below it, each with probability 1/2."""
    low, high = interval_of_median(torch.arange(1, count + 1).flip(0).double())
    probability = sum(math.comb(count, below) for below in range(int(low), int(high))) / 2**count
    assert 0.95 <= probability <= (0.98 if count > 50 else 0.999)


def test_the_interval_of_a_median_of_few_values_is_all_of_them():
    assert interval_of_median(torch.tensor([2.0, 1.0, 3.0])) == (1, 3)


def test_the_interval_of_the_distance_is_that_of_the_median_in_the_same_unit():
    """Fakes 1, 2, ..., 100 from the only training images, which are 2 apart: median 50.5, ranks 40 and 61"""
    real = points((0, 0), (2, 0))
    fake = points(*((0, -number) for number in range(1, 101)))
    measured = NeighbourDistance().measure(sample(real), sample(fake), 0, resamples=1)
    assert measured.value == 50.5 / 2 and measured.interval == (40 / 2, 61 / 2)


def test_the_closest_fakes_are_named_with_their_training_images_nearest_first():
    real, fake = points((0, 0), (10, 0), (0, 10)), points((5, 5), (10, 1), (0, 13), (0.5, 0))
    fakes, reals, gaps = closest_training_images(sample(real), sample(fake), 3)
    assert fakes.tolist() == [3, 1, 2] and reals.tolist() == [0, 1, 2] and gaps.tolist() == [0.5, 1, 3]
    assert len(closest_training_images(sample(real), sample(fake), 9)[0]) == 4


def test_too_few_images_are_refused():
    for metric, few in ((Duplicates(), {"num_fake": 1}), (Duplicates(), {"num_real": 1}),
                        (NeighbourDistance(), {"num_real": 1}), (NeighbourDistance(), {"num_fake": 0})):
        assert metric.problem(setup(num_real=2, num_fake=2)) is None
        assert f"{metric.name}_digits needs at least 2 real images" in metric.problem(setup(**few))


@pytest.mark.parametrize("quantile", [0, 1, -0.1])
def test_a_setting_out_of_range_is_named(quantile):
    with pytest.raises(ValueError, match=f"metrics.duplicates.quantile={quantile}"):
        Duplicates(quantile)
