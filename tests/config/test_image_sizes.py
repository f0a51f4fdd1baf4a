import itertools

import pytest

from saddlepoint.config.image_sizes import Sides, must_be, sides_of


@pytest.mark.parametrize(("value", "sides"), [(64, (64, 64)), ([64, 96], (64, 96)), ((96, 64), (96, 64)), (1, (1, 1))])
def test_a_number_is_the_side_of_squares_and_a_list_is_height_and_width(value, sides):
    assert sides_of(value) == sides and sides_of(value).image_size == (value if value in (1, 64) else sides)


def test_sides_are_written_as_people_type_them():
    assert (str(Sides(64, 64)), str(Sides(64, 96)), Sides(64, 96).words) == ("64", "[64,96]", "64 x 96")


@pytest.mark.parametrize(("value", "words"), [
    ([64], r"e.g. \[64,96\]"), ([0, 96], r"e.g. \[64,96\]"), ([64, 96, 3], "a whole number"), ("48x72", r"\[48,72\]"),
    ("48*72", r"\[48,72\]"), (0, "at least 1"), (-3, "at least 1"), (6.0, "whole number"), (True, "whole number"),
    (None, "whole number"), ([6.0, 3], "whole number"), ([True, 3], "whole number"), ([64, 64], "^64, as both"),
])
def test_what_is_no_image_size_is_refused_with_what_is(value, words):
    assert must_be(value) is not None
    with pytest.raises(ValueError, match="^data.image_size=") as refusal:
        sides_of(value)
    pytest.raises(ValueError, sides_of, value, "image_size").match("^image_size=")
    assert refusal.match(words.removeprefix("^"))


@pytest.mark.parametrize(("picture", "sides"), [*itertools.product(
    [Sides(427, 640), Sides(640, 427), Sides(1, 999), Sides(30, 30)], [Sides(64, 96), Sides(96, 64), Sides(32, 32)])])
def test_a_covering_picture_has_one_side_alike_and_none_smaller_and_keeps_its_shape(picture, sides):
    covering = sides.covering(picture)
    assert covering.height == sides.height or covering.width == sides.width
    assert covering.height >= sides.height and covering.width >= sides.width
    exact = max(sides.height / picture.height, sides.width / picture.width)
    assert covering == pytest.approx((picture.height * exact, picture.width * exact), abs=0.5)
