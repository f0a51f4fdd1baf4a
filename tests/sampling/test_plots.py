"""Charts: what is drawn lies where its numbers say."""

import pytest
import torch

from saddlepoint.sampling import plots
from saddlepoint.sampling.plots import BOTTOM, LEFT, RIGHT, SIDE, TOP, Chart

UNIT = (0.0, 1.0, 0.0, 1.0)
RED = "#ff0000"
INNER = (SIDE - LEFT - RIGHT, SIDE - TOP - BOTTOM)  # pixels of the area


def middle_of(picture: torch.Tensor) -> tuple[float, float]:
    """The mean place of red pixels, in units of the area, y upwards"""
    red, green, blue = picture.int()
    rows, columns = ((red > 200) & (green < 80) & (blue < 80)).nonzero().double().mean(0).tolist()
    return (columns + 0.5 - LEFT) / INNER[0], (SIDE - BOTTOM - rows - 0.5) / INNER[1]


@pytest.mark.parametrize("place", [(0.25, 0.5), (0.9, 0.1)])
def test_a_point_lies_where_its_coordinates_say(place):
    chart = Chart((-1.0, 3.0, 10.0, 20.0))
    chart.points(torch.tensor([[4 * place[0] - 1, 10 * place[1] + 10], [5.0, 15.0]]), RED, 4)
    assert middle_of(chart.picture()) == pytest.approx(place, abs=0.005)


def test_a_line_lies_between_its_ends_and_what_goes_beyond_the_area_is_cut_off():
    chart = Chart(UNIT)
    chart.line(torch.tensor([[0.2, 0.2], [0.6, 0.4]]), RED)
    assert middle_of(chart.picture()) == pytest.approx((0.4, 0.3), abs=0.01)
    chart.line(torch.tensor([[0.5, 0.5], [9.0, 0.5]]), RED)
    assert torch.equal(chart.picture()[:, :, -RIGHT + 2:], Chart(UNIT).picture()[:, :, -RIGHT + 2:])


def test_a_path_that_runs_away_is_drawn_up_to_where_it_leaves():
    chart = Chart(UNIT)
    chart.line(torch.tensor([[0.5, 0.5], [0.5, 2.0], [1e30, float("nan")]]), RED)
    assert middle_of(chart.picture()) == pytest.approx((0.5, 0.75), abs=0.01)


def test_an_arrow_points_upwards_where_y_grows_and_the_fastest_is_the_longest():
    def height(direction):
        chart = Chart(UNIT)
        chart.arrows(torch.tensor([[0.5, 0.5], [0.1, 0.1]]), torch.tensor([direction, [4.0, 0.0]]), RED, 40)
        return middle_of(chart.picture()[:, :SIDE // 2 + 40])[1]
    assert height([0.0, 4.0]) > height([0.0, 1.0]) > 0.5 > height([0.0, -1.0])
    Chart(UNIT).arrows(torch.zeros(1, 2), torch.zeros(1, 2))  # nothing moves


def test_a_colour_map_has_its_first_row_lowest_and_white_in_the_middle():
    chart = Chart(UNIT)
    chart.heat(torch.tensor([[5.0, 1.0], [3.0, 3.0]]), 3.0, 2.0)
    picture = chart.picture()
    lower, upper = SIDE - BOTTOM - 30, TOP + 30
    orange, blue = picture[:, lower, LEFT + 30].tolist(), picture[:, lower, -RIGHT - 30].tolist()
    assert orange[0] > orange[2] + 100 and blue[2] > blue[0] + 100
    assert picture[:, upper, LEFT + 60].min() > 230


def test_the_lightness_of_the_colours_falls_evenly_to_both_sides():
    """L* of CIELAB, another model of what eyes see, in equal steps within a tenth of the whole"""
    for side in (-1, 1):
        rgb = plots.diverging(side * torch.linspace(0, 1, 6).double()).double() / 255
        linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        luminance = linear @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)
        lightness = 116 * luminance ** (1 / 3) - 16
        even = torch.lerp(lightness[0], lightness[-1], torch.linspace(0, 1, 6).double())
        assert (lightness - even).abs().max() < 0.1 * (lightness[0] - lightness[-1])


def test_bars_have_the_heights_of_their_numbers():
    chart = Chart((-0.5, 2.5, 0.0, 4.0))
    chart.bars([0, 2, 0], RED)
    assert middle_of(chart.picture()) == pytest.approx((0.5, 0.25), abs=0.01)


@pytest.mark.parametrize(("limits", "expected"), [
    ((-1.0, 1.0), [-1, -0.5, 0, 0.5, 1]), ((0.0, 10.0), [0, 2, 4, 6, 8, 10]), ((0.03, 0.11), [0.04, 0.06, 0.08, 0.1])])
def test_ticks_are_round_numbers_within_the_limits(limits, expected):
    assert plots.ticks(*limits) == pytest.approx(expected)


def test_a_lattice_has_the_middles_of_equal_cells_from_below():
    assert plots.lattice((0.0, 2.0, 0.0, 4.0), 2).tolist() == [[0.5, 1], [1.5, 1], [0.5, 3], [1.5, 3]]


def test_pictures_stand_beside_each_other_and_empty_places_are_white():
    charts = [torch.full((3, 2, 2), grey, dtype=torch.uint8) for grey in (1, 2, 3)]
    assert plots.beside(charts, 2)[0].tolist() == [[1, 1, 2, 2]] * 2 + [[3, 3, 255, 255]] * 2
