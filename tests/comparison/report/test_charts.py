"""Curves of several seeds, axes and lines, against what can be worked out by hand."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddlepoint.comparison.report.axes import (
    Axis,
    fit_axis,
    fit_axis_to_most,
    format_images,
    format_number,
    tick_labels,
)
from saddlepoint.comparison.report.charts import Line, chart, spread, style_of
from saddlepoint.comparison.report.markup import Html, element
from saddlepoint.comparison.report.seed_bands import BandPoint, seed_band, thin_out
from tests.comparison.report.reading_pages import Page

values = st.floats(-1e6, 1e6)


def flat(count: int) -> list[BandPoint]:
    return [BandPoint(index, 0.0, -1.0, 1.0) for index in range(count)]


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


@given(st.lists(values, min_size=1, max_size=50))
def test_axes_hold_all_values_and_have_a_sensible_number_of_ticks(several):
    axis = fit_axis(several, may_be_logarithmic=True)
    assert all(0 <= axis.share(value) <= 1 for value in several)
    ticks = axis.ticks(5)
    assert 2 <= len(ticks) <= 12
    assert len({*tick_labels(ticks)}) == len(ticks)


@pytest.mark.parametrize(("axis", "ticks"), [
    (Axis(0, 10), [0, 2, 4, 6, 8, 10]), (Axis(-1.04, 1.04), [-1, -0.5, 0, 0.5, 1]),
    (Axis(9, 1100, True), [10, 20, 50, 100, 200, 500, 1000]), (Axis(0.9, 2e6, True), [10**each for each in range(7)]),
    (Axis(0.9e-9, 1e10, True), [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9])])
def test_ticks_are_round_numbers(axis, ticks):
    assert axis.ticks(5) == pytest.approx(ticks)


def test_only_positive_values_over_a_wide_range_are_drawn_logarithmically():
    assert fit_axis([1, 100], may_be_logarithmic=True).logarithmic
    assert Axis(1, 100, True).share(10) == pytest.approx(0.5)
    assert not fit_axis([1, 5], may_be_logarithmic=True).logarithmic
    assert not fit_axis([-1, 100], may_be_logarithmic=True).logarithmic


def test_a_few_spikes_do_not_decide_about_the_range_but_are_told():
    heights = [float(index % 10) for index in range(200)]
    assert fit_axis_to_most([*heights, 5000.0]).high < 11
    assert fit_axis_to_most(heights) == fit_axis(heights)
    points = [BandPoint(index, height, height, height) for index, height in enumerate([*heights, 5000.0, 1.0])]
    assert "spikes to 5,000" in chart([Line(points, "1", "one", 1, style_of(0))], "loss", cut_spikes=True)


@pytest.mark.parametrize(("value", "words"), [
    (0, "0"), (12.345, "12.3"), (1234.5, "1,234"), (0.00012, "1.2e-4"), (5e7, "5e7"), (-0.5, "-0.5"), (100, "100")])
def test_numbers_are_short(value, words):
    assert format_number(value) == words


def test_images_have_units():
    assert [*map(format_images, (0, 500, 640_000, 1_280_000))] == ["0", "500", "640k", "1.28M"]


def test_the_first_24_lines_differ_in_colour_or_dashes():
    assert len({style_of(index) for index in range(24)}) == 24


@given(st.lists(st.floats(0, 250), min_size=1, max_size=15))
def test_tags_do_not_cover_each_other_and_stay_in_the_chart(heights):
    placed = spread(sorted(heights), 250)
    assert all(other - one > 12.9 for one, other in pairwise(placed))
    assert placed[-1] <= 250 and placed[0] >= -1e-6


def test_a_line_goes_from_corner_to_corner():
    points = [BandPoint(0, 0.0, 0.0, 0.0), BandPoint(10, 1.0, 1.0, 1.0)]
    drawn = Page(chart([Line(points, "7", "seven", 7, style_of(0))], "score"))
    inner = drawn.all("svg")[1].attributes
    width, height = float(inner["width"]), float(inner["height"])
    [path] = [each.attributes["d"] for each in drawn.all("path", class_="middle")]
    left, low, right, high = map(float, re.findall(r"[\d.]+", path))
    assert (left, right) == (0, width) and low + high == pytest.approx(height, abs=0.2) and low > 0.9 * height
    assert not drawn.all("path", class_="band") and drawn.one("text", class_="tag").words == "7"


def test_a_single_point_is_a_dot():
    assert 'h.01"' in chart([Line(flat(1), "1", "one", 1, style_of(0))], "score")


def test_elements_escape_what_is_not_html():
    assert element("b", "a<b", class_="x", data_row=0, hidden=None, open=True, title='"&') == \
        '<b class="x" data-row="0" open title="&quot;&amp;">a&lt;b</b>'
    assert element("p", Html("<b>")) == "<p><b></p>" and element("br") == "<br>"
    assert element("i", "\udcff") == "<i>?</i>"
