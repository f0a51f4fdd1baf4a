"""Comparisons: the same size on both sides, titles above, in 8-bit colours whatever the file was."""

import numpy
import pytest
from PIL import Image

from saddlepoint.upscaling import side_by_side as module
from saddlepoint.upscaling.picture import picture_of
from saddlepoint.upscaling.side_by_side import GAP, side_by_side
from tests.data.formats import photo
from tests.upscaling.files import random_pixels


def pair(channels: int = 3, dtype: type = numpy.uint8, width: int = 200, height: int = 100):
    return (picture_of(random_pixels(channels, dtype, height // 4, width // 4)),
            picture_of(random_pixels(channels, dtype, height, width)))


def test_the_input_is_enlarged_bicubically_and_the_result_is_untouched():
    low, high = numpy.asarray(photo(50, 25)), random_pixels(3, height=100, width=200)
    shown = side_by_side(picture_of(low), picture_of(high), "realesrgan_x4plus").pixels()
    assert shown.shape[1:] == (2 * 200 + GAP, 3) and shown.dtype == numpy.uint8
    assert numpy.array_equal(shown[-100:, -200:], high)
    pillows = Image.fromarray(low).resize((200, 100), Image.Resampling.BICUBIC)
    assert numpy.abs(shown[-100:, :200].astype(int) - numpy.asarray(pillows))[8:-8, 8:-8].max() <= 1


def test_both_titles_are_written_above():
    def band(title: str) -> numpy.ndarray:
        return side_by_side(*pair(), title).pixels()[:-100]

    short, long = band("net"), band("a network with a long name, longer than the picture is wide, by far and more")
    assert numpy.array_equal(short[:, :200], long[:, :200])
    assert (short[:, :200] < 128).any() and (short[:, 216:] < 128).any()
    assert not numpy.array_equal(short, long) and short.shape == long.shape


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [numpy.uint8, numpy.uint16])
def test_grey_transparent_and_16_bit_pictures_are_shown_in_8_bit_colours(channels, dtype):
    shown = side_by_side(*pair(channels, dtype), "net").pixels()
    assert shown.dtype == numpy.uint8 and shown.shape[1:] == (416, 3)
    if channels == 1:
        assert (shown[-100:, :, :1] == shown[-100:]).all()


def test_of_large_pictures_the_middle_is_shown_as_large_as_it_is(monkeypatch):
    monkeypatch.setattr(module, "MOST", 170)
    low, high = pair(width=400, height=200)
    shown = side_by_side(low, high, "net").pixels()
    assert numpy.array_equal(shown[-170:, -170:], high.pixels()[15:185, 115:285])


def test_pictures_of_few_pixels_are_shown_as_squares_with_room_for_the_title():
    low, high = pair(width=28, height=28)
    shown = side_by_side(low, high, "net").pixels()
    times = -(-module.LEAST_WIDTH // 28)
    assert numpy.array_equal(shown[-28 * times::times, -28 * times::times], high.pixels())
