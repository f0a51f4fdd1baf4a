"""Colour matrices and band filters against what they are by definition."""

import math

import numpy
import pytest
import torch

from saddlepoint.tricks.augmentation import colour
from saddlepoint.tricks.augmentation.corruption import cut_out
from saddlepoint.tricks.augmentation.diffaugment import moved_in
from saddlepoint.tricks.augmentation.filtering import POWERS, BandFilter, band_filters


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64) * 2 - 1


def of(value: float) -> torch.Tensor:
    return torch.full((2,), value, dtype=torch.float64)


SHOWN = images(2, 3, 4, 5)
GREY = SHOWN.mean(1, keepdim=True)


@pytest.mark.parametrize(("matrix", "expected"), [
    (colour.brighter(of(0.3)), SHOWN + 0.3),
    (colour.contrasted(of(1.7)), 1.7 * SHOWN),
    (colour.along_luma(of(1.0), of(0.0)), GREY.expand_as(SHOWN)),
    (colour.along_luma(of(1.0), of(2.5)), GREY + 2.5 * (SHOWN - GREY)),
    (colour.along_luma(of(-1.0), of(1.0)), SHOWN - 2 * GREY),
    (colour.hue_turned(of(0.0)), SHOWN),
    (colour.hue_turned(of(2 * math.pi / 3)), SHOWN.roll(1, 1)),  # red becomes green, green blue, blue red
], ids=["brightness", "contrast", "grey", "saturation", "luma flip", "no hue", "a third of a turn"])
def test_a_matrix_recolours_as_its_definition_says(matrix, expected):
    torch.testing.assert_close(colour.recoloured(SHOWN, matrix), expected, atol=1e-12, rtol=0)


def test_a_luma_flip_is_its_own_inverse_and_a_turn_of_hue_keeps_luma_and_length():
    flip = colour.along_luma(of(-1.0), of(1.0))
    torch.testing.assert_close(flip @ flip, torch.eye(4, dtype=torch.float64).expand(2, 4, 4))
    turned = colour.recoloured(SHOWN, colour.hue_turned(of(0.7)))
    torch.testing.assert_close(turned.mean(1), SHOWN.mean(1))
    torch.testing.assert_close(turned.square().sum(1), SHOWN.square().sum(1))


def test_one_channel_is_recoloured_as_three_equal_ones():
    matrix = (colour.along_luma(of(1.0), of(1.8)) @ colour.hue_turned(of(0.9)) @ colour.along_luma(of(-1.0), of(1.0))
              @ colour.contrasted(of(0.6)) @ colour.brighter(of(-0.2)))
    of_three = colour.recoloured(GREY.expand(-1, 3, -1, -1), matrix).mean(1, keepdim=True)
    torch.testing.assert_close(colour.recoloured(GREY, matrix), of_three)
    torch.testing.assert_close(of_three, -0.6 * (GREY - 0.2))


def test_the_bands_share_out_all_frequencies():
    filters = band_filters().numpy()
    impulse = numpy.zeros(43)
    impulse[21] = 1
    numpy.testing.assert_allclose(filters.sum(0), impulse, atol=1e-12)
    numpy.testing.assert_allclose(filters, filters[:, ::-1], atol=1e-12)
    frequency = numpy.linspace(0, numpy.pi, 65)
    response = numpy.cos(numpy.outer(frequency, numpy.arange(-21, 22))) @ filters.T  # [65, 4], real, as it is symmetric
    for band, middle in enumerate((0.03, 3 / 16, 3 / 8, 0.9)):  # of pi
        assert response[round(64 * middle)].argmax() == band
    assert response.min() > -1e-9
    assert sum(POWERS) == pytest.approx(1)


@pytest.mark.parametrize("size", [(30, 25), (5, 4)])  # shorter than the filter as well
def test_bands_are_amplified_as_by_a_convolution_of_the_mirrored_image(size):
    shown, factors = images(2, 2, *size), torch.tensor([[1.0, 1, 1, 1], [0.5, 2.0, 1.5, 0.25]], dtype=torch.float64)
    filtered = BandFilter()(shown, factors)
    torch.testing.assert_close(filtered[0], shown[0])
    taps = (factors[1] @ band_filters()).numpy()
    expected = numpy.pad(shown[1].numpy(), ((0, 0), (21, 21), (21, 21)), mode="reflect")
    for axis in (1, 2):
        expected = numpy.apply_along_axis(lambda line: numpy.convolve(line, taps, mode="valid"), axis, expected)
    numpy.testing.assert_allclose(filtered[1].numpy(), expected, atol=1e-10)


def test_what_is_moved_in_is_grey():
    shown = images(3, 2, 5, 6)
    moved = moved_in(shown, torch.tensor([2, 0, -6]), torch.tensor([-1, 0, 0]))
    expected = torch.zeros_like(shown)
    expected[0, :, :4, 2:] = shown[0, :, 1:, :4]
    expected[1] = shown[1]
    assert torch.equal(moved, expected)


def test_what_is_cut_out_is_grey_and_the_rest_as_it_was():
    shown = images(2, 3, 6, 8)
    cut = cut_out(shown, torch.tensor([4.0, 0.5]), torch.tensor([3.0, 6.0]), 4, 2)
    expected = shown.clone()
    expected[0, :, 2:4, 2:6] = 0
    expected[1, :, 5:, :2] = 0  # what is outside of the image covers nothing
    assert torch.equal(cut, expected)
