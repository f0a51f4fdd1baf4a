"""Geometry against numpy's mirrored borders, torch's turns, and functions whose transformed values are known."""

import math

import numpy
import pytest
import torch

from saddlepoint.tricks.augmentation import geometry
from saddlepoint.tricks.augmentation.geometry import SYM6, Resampling, scaled, shifted, turned


def images(*shape: int, dtype=torch.float64) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(4), dtype=dtype) * 2 - 1


def numbers(*values: float, dtype=torch.float64) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)


def mirrored_shift(image: numpy.ndarray, x: int, y: int) -> numpy.ndarray:
    """[C, H, W], moved to the right and down, by numpy's own mirror, which goes on for ever"""
    height, width = image.shape[1:]
    wide = numpy.pad(image, ((0, 0), (30, 30), (30, 30)), mode="reflect")
    return wide[:, 30 - y:30 - y + height, 30 - x:30 - x + width]


def test_sym6_is_an_orthogonal_low_pass_with_six_vanishing_moments():
    taps = numpy.array(SYM6)
    assert taps.sum() == pytest.approx(2 ** 0.5)
    for shift in range(6):
        assert taps[: 12 - 2 * shift] @ taps[2 * shift:] == pytest.approx(float(shift == 0), abs=1e-11)
    signs = (-1.0) ** numpy.arange(12)
    for power in range(6):
        assert (signs * numpy.arange(12.0) ** power) @ taps == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("size", [(6, 6), (7, 7)])
def test_flips_and_quarter_turns_are_torchs_to_the_bit(size):
    shown = images(2, 3, *size, dtype=torch.float32)
    one = torch.ones(2)
    assert torch.equal(geometry.moved_exactly(shown, scaled(-one, one)), shown.flip(3))
    for turns, (cosine, sine) in enumerate([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]):
        matrix = turned(cosine * one, sine * one)
        assert torch.equal(geometry.moved_exactly(shown, matrix), torch.rot90(shown, turns, (2, 3)))


@pytest.mark.parametrize(("x", "y"), [(2, -1), (-3, 4), (11, -17)])
def test_a_shift_by_whole_pixels_mirrors_as_numpy_does(x, y):
    shown = images(1, 2, 5, 8)
    matrix = shifted(numbers(x), numbers(y))
    expected = torch.from_numpy(mirrored_shift(shown[0].numpy(), x, y).copy())
    assert torch.equal(geometry.moved_exactly(shown, matrix)[0], expected)
    for supersampled in (True, False):
        torch.testing.assert_close(Resampling(supersampled)(shown, matrix)[0], expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("size", [(5, 8), (1, 6), (1, 1), (2, 3)])
@pytest.mark.parametrize("supersampled", [True, False])
def test_without_a_transformation_a_resampling_changes_nothing(size, supersampled):
    shown = images(2, 1, *size)
    identity = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    torch.testing.assert_close(Resampling(supersampled)(shown, identity), shown, atol=1e-10, rtol=0)


def hill(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.exp(-((x - 3) ** 2 + 2 * (y + 4) ** 2) / 30)


@pytest.mark.parametrize("matrix", [
    turned(numbers(math.cos(0.6)), numbers(math.sin(0.6))), scaled(numbers(1.3), numbers(0.8)),
    shifted(numbers(0.5), numbers(-0.3)), scaled(numbers(-1.0), numbers(1.0))], ids=["turn", "scale", "shift", "flip"])
def test_a_smooth_function_is_transformed_as_its_formula_is_and_better_than_by_a_bilinear_look_up(matrix):
    axis = torch.arange(33, dtype=torch.float64) - 16
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    from_x, from_y, _ = torch.einsum("ij,jhw->ihw", matrix[0], torch.stack([x, y, torch.ones_like(x)]))
    inside = (from_x.abs() < 13) & (from_y.abs() < 13)
    resampled = [Resampling(supersampled)(hill(x, y)[None, None], matrix)[0, 0] for supersampled in (True, False)]
    fine, plain = ((each - hill(from_x, from_y))[inside].abs().max() for each in resampled)
    assert fine < 0.006
    if matrix[0, 0, 0] > 0:  # a flip moves whole pixels, and needs no filters
        assert fine < plain / 2


def test_a_turn_is_counterclockwise_and_a_shift_to_the_right_and_down():
    dot = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    dot[0, 0, 4, 7] = 1  # right of the centre
    resampled = Resampling()(dot, turned(numbers(math.cos(math.pi / 4)), numbers(math.sin(math.pi / 4))))
    row, column = divmod(resampled.flatten().argmax().item(), 9)
    assert (row, column) == (2, 6)
    moved = geometry.moved_exactly(dot, shifted(numbers(1), numbers(2)))
    assert moved[0, 0, 6, 8] == 1


def test_the_first_of_two_steps_stands_on_the_left():
    shown = images(1, 1, 6, 6)
    flip, shift = scaled(numbers(-1), numbers(1)), shifted(numbers(2), numbers(0))
    in_turn = geometry.moved_exactly(geometry.moved_exactly(shown, flip), shift)
    at_once = geometry.moved_exactly(shown, flip @ shift)
    assert torch.equal(at_once[..., 2:], in_turn[..., 2:])  # what came in from the border was mirrored twice


def test_gathers_look_up_as_grid_sample_does():
    shown, places = images(2, 3, 5, 4), images(2, 6, 7, 2)
    torch.testing.assert_close(geometry.gathered(shown, places), geometry.sampled(shown, places))


@pytest.mark.parametrize("supersampled", [True, False])
def test_a_resampling_is_a_linear_map_with_first_and_second_derivatives(supersampled, monkeypatch):
    resampling, shown = Resampling(supersampled), images(2, 1, 3, 4).requires_grad_()
    matrix = turned(numbers(0.8, 0.6), numbers(0.6, 0.8)) @ scaled(numbers(0.7, 1.2), numbers(1.1, 0.9))
    for look_up in (geometry.sampled, geometry.gathered):
        monkeypatch.setattr(geometry, "sampled", look_up)
        assert torch.autograd.gradcheck(lambda shown: resampling(shown, matrix), (shown,))
        assert torch.autograd.gradgradcheck(lambda shown: resampling(shown, matrix).square(), (shown,))
    twice = resampling(2 * shown + 3 * shown.flip(0).flip(2), matrix)
    torch.testing.assert_close(twice, 2 * resampling(shown, matrix) + 3 * resampling(shown.flip(0).flip(2), matrix))
