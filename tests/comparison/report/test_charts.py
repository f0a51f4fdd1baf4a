"""Curves of several seeds and the data of charts, against what can be worked out by hand."""

import base64
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddlepoint.comparison.report.charts import Chart, Line, packed
from saddlepoint.comparison.report.rows import rounded
from saddlepoint.comparison.report.seed_bands import BandPoint, seed_band, thin_out

values = st.floats(-1e6, 1e6)


def line(*heights: float) -> Line:
    return Line("one", "seed 0", 1, 0, [BandPoint(index, height, height, height)
                                        for index, height in enumerate(heights)])


def chart(*heights: float, **more) -> Chart:
    return Chart("loss", [line(*heights)], **more)


def unpacked(column: dict) -> list[float]:
    return np.frombuffer(base64.b64decode(column["base64"]), column["type"]).tolist()


def test_a_band_is_mean_and_range_of_the_seeds():
    assert seed_band([[(0, 1.0), (10, 3.0)], [(0, 5.0), (10, 4.0)]]) == [(0, 3.0, 1.0, 5.0), (10, 3.5, 3.0, 4.0)]


def test_seeds_measured_at_other_moments_are_interpolated_on_straight_lines():
    assert seed_band([[(0, 0.0), (10, 10.0)], [(0, 4.0), (5, 4.0), (10, 4.0)]])[1] == (5, 4.5, 4.0, 5.0)


def test_a_seed_that_ended_early_counts_only_as_far_as_it_got():
    assert [point.mean for point in seed_band([[(0, 0.0), (5, 0.0)], [(0, 2.0), (5, 2.0), (9, 2.0)]])] == [1, 1, 2]


def test_values_that_are_not_finite_are_no_points():
    assert seed_band([[(0, float("nan")), (1, 2.0), (2, float("inf"))]]) == [(1, 2.0, 2.0, 2.0)]
    assert seed_band([[], [(0, float("nan"))]]) == []


@given(st.lists(values, min_size=1, max_size=400), st.integers(10, 120))
def test_thinning_keeps_ends_extremes_order_and_bands(heights, most):
    points = [BandPoint(index, height, height - 1, height + 1) for index, height in enumerate(heights)]
    kept = thin_out(points, most)
    assert len(kept) <= most or kept == points
    assert (kept[0].images_seen, kept[-1].images_seen) == (0, len(heights) - 1)
    assert all(one.images_seen < other.images_seen for one, other in pairwise(kept))
    assert {max(heights), min(heights)} <= {point.mean for point in kept}
    assert (min(point.low for point in kept), max(point.high for point in kept)) == (min(heights) - 1, max(heights) + 1)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_packed_as_float32_or_better(numbers):
    np.testing.assert_allclose(unpacked(packed(numbers)), numbers, rtol=2**-24, atol=2**-149)


@pytest.mark.parametrize(("numbers", "kind"), [
    ([0.1, 2.5], "float32"), ([0, 2**24, 2**24 + 2], "float32"), ([2**24 + 1], "float64"), ([1e39], "float64")])
def test_whole_numbers_stay_exact_and_others_are_short(numbers, kind):
    assert packed(numbers)["type"] == kind
    assert kind == "float32" or unpacked(packed(numbers)) == numbers


@pytest.mark.parametrize(("value", "words"), [
    (0, "0"), (12.345678, "12.35"), (1234.5, "1,234"), (123456.7, "123,500"), (0.00012, "0.00012"), (-0.5, "-0.5"),
    (5e20, "5e+20"), (1.5e-7, "1.5e-07")])
def test_numbers_in_sentences_are_short(value, words):
    assert rounded(value) == words


def test_a_line_travels_with_its_points_and_a_band_only_where_seeds_differ():
    [single] = chart(1.0, 3.0).as_json()["lines"]
    assert (unpacked(single["images"]), unpacked(single["mean"])) == ([0, 1], [1.0, 3.0]) and "low" not in single
    band = Line("two", "mean of 2 runs", 1, 0, [BandPoint(0, 2.0, 1.0, 3.0)])
    [drawn] = Chart("loss", [band]).as_json()["lines"]
    assert (unpacked(drawn["low"]), unpacked(drawn["high"])) == ([1.0], [3.0])


def test_only_positive_scores_over_a_wide_range_are_drawn_logarithmically():
    assert chart(1, 100, may_be_logarithmic=True).decades == pytest.approx(2)
    assert chart(1, 100).decades == 0
    for heights in ((1, 5), (-1, 100), (0, 100)):
        assert chart(*heights, may_be_logarithmic=True).decades == 0


def test_a_few_spikes_do_not_decide_what_is_shown_at_first_but_are_told():
    heights = [float(index % 10) for index in range(200)]
    spiky = chart(*heights, 5000.0, 1.0, cuts_spikes=True)
    assert -1 < spiky.shown[0] < 0 and 9 < spiky.shown[1] < 10 and spiky.spikes == "spikes to 5,000"
    assert chart(-70.0, *heights, 11.0, cuts_spikes=True).spikes == "spikes to -70"
    assert chart(*heights, cuts_spikes=True).shown is None and chart(*heights, 5000.0).shown is None
    assert chart(*heights, cuts_spikes=True).spikes == ""


@pytest.mark.parametrize("heights", [(7.0,), (7.0, 7.0, 7.0), (0.0,), (-3.0,)])
def test_a_single_value_stands_in_the_middle_of_its_axis(heights):
    low, high = chart(*heights, may_be_logarithmic=True, cuts_spikes=True).shown
    assert low < heights[0] < high and (low + high) / 2 == pytest.approx(heights[0])


def test_a_hundred_lines_of_many_points_stay_small_and_keep_their_ends():
    many = Chart("loss", [line(*range(2000))] * 100).as_json()["lines"]
    kept = [unpacked(each["mean"]) for each in many]
    assert sum(map(len, kept)) <= 40_000 and all((each[0], each[-1]) == (0, 1999) for each in kept)
