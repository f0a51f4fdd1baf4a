import math

import pytest

from saddlepoint.game.schedule import Constant, Cosine, Exponential, Linear, as_schedule

KINDS = [Linear, Cosine, Exponential]


@pytest.mark.parametrize("kind", KINDS)
def test_a_ramp_begins_at_start_and_stays_at_end(kind):
    schedule = kind(start=8, end=2, images=100)
    assert schedule(0) == 8
    assert [schedule(images_seen) for images_seen in (100, 101, 10**9)] == pytest.approx([2, 2, 2], rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_moves_before_begin_at(kind):
    schedule, later = kind(start=8, end=2, images=100), kind(start=8, end=2, images=100, begin_at=40)
    assert later(0) == later(40) == 8
    assert later(40 + 30) == schedule(30)


def test_the_middle_of_a_line_is_the_arithmetic_mean():
    assert Linear(start=8, end=2, images=100)(50) == 5


def test_the_middle_of_an_exponential_is_the_geometric_mean():
    assert Exponential(start=8, end=2, images=100)(50) == pytest.approx(4)


def test_a_cosine_is_half_way_in_the_middle_and_flat_at_both_ends():
    schedule = Cosine(start=8, end=2, images=1000)
    assert schedule(500) == pytest.approx(5)
    assert schedule(250) == pytest.approx(5 + 3 * math.sqrt(0.5))
    slopes = [schedule(n + 1) - schedule(n) for n in (0, 500, 999)]
    assert abs(slopes[0]) < abs(slopes[1]) / 100 and abs(slopes[2]) < abs(slopes[1]) / 100


def test_a_constant_does_not_change():
    assert {Constant(0.3)(images_seen) for images_seen in (0, 1, 10**12)} == {0.3}


def test_a_number_is_a_constant_schedule_and_a_schedule_stays_itself():
    line = Linear(1, 0, 10)
    assert as_schedule(line) is line
    assert as_schedule(3)(0) == 3.0


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan, math.inf, Linear(0, 2, 10), Exponential(2, 0.5, 10)])
def test_a_value_that_leaves_its_range_is_named(value):
    with pytest.raises(ValueError, match=r"tricks\.x\.y is .* and must be from 0 to 1"):
        as_schedule(value, "tricks.x.y", low=0, high=1)


def test_a_ramp_needs_a_length_and_an_exponential_positive_ends():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Linear(1, 0, images=0)
    with pytest.raises(ValueError, match="above 0, got 1 and 0"):
        Exponential(1, 0, images=10)
