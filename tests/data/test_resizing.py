import numpy
import pytest
from PIL import Image

from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.resizing import ResizeAndCrop
from tests.data.formats import photo


def framed(framing: ResizeAndCrop, image: Image.Image, **point) -> numpy.ndarray:
    return framing.cropped(numpy.asarray(framing.scaled(image)), **point)


@pytest.mark.parametrize("resize", ["short_side", "stretch"])
@pytest.mark.parametrize("crop", ["center", "random"])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (48, 64), (31, 30), (20, 20), (5, 200), (32, 32), (1, 1)])
def test_every_image_becomes_the_square(resize, crop, width, height):
    framing = ResizeAndCrop(32, resize, crop)
    for point in ((0, 0), (0.999999, 0.999999)):
        assert framed(framing, photo(width, height), point=point).shape == (32, 32, 3)


def test_short_side_keeps_the_shape_and_stretch_does_not():
    image = photo(90, 60)
    assert ResizeAndCrop(20, "short_side", "center").scaled(image).size == (30, 20)
    assert ResizeAndCrop(20, "stretch", "center").scaled(image).size == (20, 20)
    assert ResizeAndCrop(20, "none", "center").scaled(image).size == (90, 60)


@pytest.mark.parametrize("resize", ["short_side", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (48, 64), (31, 30), (5, 200), (48, 32), (32, 48), (1, 1)])
def test_every_image_becomes_the_rectangle(resize, width, height):
    framing = ResizeAndCrop([32, 48], resize, "random")
    for point in ((0, 0), (0.999999, 0.999999)):
        assert framed(framing, photo(width, height), point=point).shape == (32, 48, 3)


def test_a_rectangle_is_covered_in_proportion_and_its_middle_cropped():
    rows = numpy.repeat(numpy.arange(0, 240, 2, dtype=numpy.uint8)[:, None], 96, axis=1)  # 120 x 96, darker above
    framing = ResizeAndCrop([30, 48], "short_side", "center")
    scaled = framing.scaled(Image.fromarray(rows))
    assert scaled.size == (48, 60)  # half its size: as wide as the rectangle, and 15 rows too many on either side
    assert numpy.array_equal(framing.cropped(numpy.asarray(scaled)), numpy.asarray(scaled)[15:45])


@pytest.mark.parametrize(("crop", "size", "reason"), [
    ("center", (47, 99), r"its 47 x 99 pixels \(width x height\) are less than data.image_size=\[32,48\]"),
    ("none", (48, 33), r"it has 48 x 33 pixels \(width x height\), not data.image_size=\[32,48\], and data.resize"),
])
def test_images_that_cannot_fill_the_rectangle_are_unreadable(crop, size, reason):
    framing = ResizeAndCrop([32, 48], "none", crop)
    framing.check(48, 32)
    with pytest.raises(Unreadable, match=reason):
        framing.check(*size)


def test_the_sides_in_a_header_may_be_those_of_a_picture_that_is_stored_turned():
    framing = ResizeAndCrop([32, 48], "none", "none")
    framing.check_stored(48, 32)
    framing.check_stored(32, 48)
    with pytest.raises(Unreadable, match="it has 48 x 33 pixels"):
        framing.check_stored(48, 33)


def test_an_image_of_the_right_size_is_left_alone():
    image = photo(32, 32)
    for resize in ("short_side", "stretch", "none"):
        assert numpy.array_equal(framed(ResizeAndCrop(32, resize, "center"), image), numpy.asarray(image))


def test_shrinking_is_antialiased():
    stripes = numpy.zeros((64, 64), numpy.uint8)
    stripes[:, ::2] = 255  # at a quarter of the size, sampling gives black or white; averaging grey
    small = numpy.asarray(ResizeAndCrop(16, "short_side", "center").scaled(Image.fromarray(stripes)))
    assert abs(small[:, 2:-2].astype(int) - 128).max() <= 1


def test_the_crop_is_at_its_point():
    pixels = numpy.arange(10 * 12).reshape(10, 12, 1)
    framing = ResizeAndCrop(6, "none", "random")
    assert framing.cropped(pixels, (0, 0))[0, 0] == pixels[0, 0]
    assert framing.cropped(pixels, (0.9999, 0.9999))[-1, -1] == pixels[-1, -1]
    assert framing.cropped(pixels)[0, 0] == pixels[2, 3]  # the centre: as much left over on either side
    points = [(row / 40, column / 40) for row in range(40) for column in range(40)]
    places = {int(framing.cropped(pixels, point)[0, 0, 0]) for point in points}
    assert len(places) == 5 * 7  # every place there is


def test_only_a_crop_with_room_is_random():
    assert ResizeAndCrop(6, "short_side", "random").is_random
    assert ResizeAndCrop(6, "none", "random").is_random
    assert not ResizeAndCrop(6, "stretch", "random").is_random
    assert not ResizeAndCrop(6, "short_side", "center").is_random


@pytest.mark.parametrize(("resize", "crop", "size", "reason"), [
    ("none", "center", (31, 100), "its 31 x 100 pixels are less than data.image_size=32, and data.resize=none"),
    ("none", "none", (40, 32), "it has 40 x 32 pixels, not data.image_size=32, and data.resize=none data.crop=none"),
    ("short_side", "center", (1, 100_000), "its sides of 1 and 100000 pixels are too unequal"),
])
def test_images_that_cannot_fill_the_square_are_unreadable(resize, crop, size, reason):
    with pytest.raises(Unreadable, match=reason):
        ResizeAndCrop(32, resize, crop).check(*size)


@pytest.mark.parametrize(("resize", "crop", "size"), [
    ("none", "center", (32, 33)), ("none", "none", (32, 32)), ("short_side", "center", (1, 1)),
    ("stretch", "none", (1, 100_000)),
])
def test_images_that_can_fill_it_pass(resize, crop, size):
    ResizeAndCrop(32, resize, crop).check(*size)


@pytest.mark.parametrize(("resize", "crop", "sentence"), [
    ("fit", "center", "data.resize=fit must be one of short_side, stretch, none"),
    ("none", "middle", "data.crop=middle must be one of center, random, none"),
    ("short_side", "none", "data.crop=none with data.resize=short_side .*data.crop=center, or data.resize=stretch"),
])
def test_a_choice_that_makes_no_square_is_refused(resize, crop, sentence):
    with pytest.raises(ValueError, match=sentence):
        ResizeAndCrop(32, resize, crop)
