"""Where D is sure, counted by hand; and what it means: D's gradient has all but vanished there."""

import pytest
import torch

from saddlepoint.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)
from tests.losses.examples import HARD

SURE = torch.tensor(99.0).log()  # the logit of 0.99


@pytest.mark.parametrize("loss", [NonSaturating, Minimax])
def test_by_probability(loss):
    real = torch.stack([SURE + 0.1, SURE - 0.1, -SURE - 1, torch.tensor(50.0)])  # two of four
    fake = torch.stack([-SURE - 0.1, -SURE + 0.1, SURE + 1, torch.tensor(0.0)])  # one of four
    assert loss().saturation(real, fake) == (2 / 4 + 1 / 4) / 2


def test_least_squares_by_the_distance_from_the_target_on_either_side():
    real = torch.tensor([1.0, 0.995, 1.005, 0.98, 1.5])  # three of five
    fake = torch.tensor([0.005, -0.005, -3.0, 1.0])  # two of four
    assert LeastSquares().saturation(real, fake).item() == pytest.approx((3 / 5 + 2 / 4) / 2)


def test_hinge_by_the_margin():
    assert Hinge().saturation(torch.tensor([1.0, 1.2, 0.9, -2.0]), torch.tensor([-1.0, -0.9])) == (2 / 4 + 1 / 2) / 2


def test_relativistic_by_the_difference_of_a_pair():
    real, fake = torch.tensor([105.0, 100.0, -95.0, 0.0]), torch.tensor([100.0, 95.5, -100.0, 5.0])
    assert Relativistic().saturation(real, fake) == 2 / 4  # differences 5, 4.5, 5, -5; log 99 is 4.6


def test_relativistic_average_by_the_difference_from_the_other_sides_mean():
    real, fake = torch.tensor([107.0, 103.0]), torch.tensor([101.0, 99.0])  # means 105 and 100
    assert RelativisticAverage().saturation(real, fake) == (1 / 2 + 1 / 2) / 2  # 7, 3; -4, -6


def test_wasserstein_never_has_enough():
    assert Wasserstein().saturation(torch.tensor([1e9]), torch.tensor([-1e9])) is None


@pytest.mark.parametrize("loss", [NonSaturating, LeastSquares, Hinge, Relativistic, RelativisticAverage])
def test_a_saturated_discriminator_learns_a_hundredth_at_most_and_another_one_more(loss):
    """The gradient on each logit, in units of one over their number"""
    edge = {LeastSquares: ((1.009, 0.98), (0.009, -0.02)), Hinge: ((1.0, 0.99), (-1.0, -0.99))}.get(
        loss, ((4.61, 4.57), (-4.61, -4.57)))
    if loss in (Relativistic, RelativisticAverage):  # what counts is the difference
        edge = tuple((inside / 2, outside / 2) for inside, outside in edge)
    for place, expected in enumerate((1, 0)):
        real, fake = (torch.full((3,), side[place], dtype=torch.float64, requires_grad=True) for side in edge)
        assert loss().saturation(real, fake) == expected
        loss().discriminator(real, fake, HARD).backward()
        per_term = 2 if loss is RelativisticAverage else 1  # its two terms reach every logit
        largest = max(real.grad.abs().max(), fake.grad.abs().max()) * 3 / per_term
        assert (largest <= 0.01) == bool(expected)


def test_patches_count_like_as_many_images():
    real, fake = torch.randn(2, 5, 1, 3, 4).mul(5)
    for loss in (NonSaturating(), LeastSquares(), Hinge(), Relativistic(), RelativisticAverage()):
        torch.testing.assert_close(loss.saturation(real, fake), loss.saturation(real.flatten(), fake.flatten()))
