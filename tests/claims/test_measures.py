"""What is read of a run."""

import pytest

from saddlepoint.claims.measures import CurveMean, LastValue, NoValue, Turns, ValueAt
from saddlepoint.runs.gathering import gather
from tests.runs.made_runs import make_run, score


def run(path, *scores, curve=()):
    make_run(path / "run", *scores, images=160, curve=curve)
    return gather([path]).runs[0]


def test_the_last_value_and_one_of_the_batch_in_which_a_number_of_images_was_reached(tmp_path):
    points = [{"images_seen": images, "quality/fid_digits": value} for images, value in ((60, 9.0), (128, 7.0))]
    made = run(tmp_path, score(value=5.0, images=160), curve=points)
    assert LastValue("fid_digits").read(made) == ValueAt("fid_digits", 160).read(made) == 5.0
    assert ValueAt("fid_digits", 100).read(made) == 7.0  # batches of 64: 128 is the end of that with the 100th
    with pytest.raises(NoValue, match="not measured after 64 images"):
        ValueAt("fid_digits", 64).read(made)  # 128 is the end of another batch
    with pytest.raises(NoValue, match="kid_digits was not measured"):
        LastValue("kid_digits").read(made)


def test_a_value_that_is_none_says_why(tmp_path):
    made = run(tmp_path, score(value=None) | {"reason": "too few images"})
    with pytest.raises(NoValue, match="fid_digits has no value: too few images"):
        LastValue("fid_digits").read(made)


def test_the_mean_of_a_curve_has_both_ends_of_its_range(tmp_path):
    made = run(tmp_path, curve=[{"images_seen": images, "a": value} for images, value in ((10, 1), (20, 2), (30, 6))])
    assert CurveMean("a", 10, 20).read(made) == 1.5
    assert CurveMean("a", 20, 30).read(made) == 4
    with pytest.raises(NoValue, match="a has no value from 31 to 40 images"):
        CurveMean("a", 31, 40).read(made)


def test_a_curve_turns_if_its_extreme_part_is_neither_the_first_nor_the_last(tmp_path):
    values = ((4, 1), (4, 1), (2, 3), (2, 5), (3, 4), (3, 4), (5, 0), (5, 0))  # two in each quarter of 160 images
    made = run(tmp_path, curve=[{"images_seen": 20 * place, "d": d, "g": g} for place, (d, g) in enumerate(values, 1)])
    turns = Turns(4, "d", "g")
    assert turns.read(made) == [4, 2, 3, 5, 1, 4, 4, 0]
    assert turns.shows(turns.read(made))
    assert not Turns(4, "g", "d").shows(Turns(4, "g", "d").read(made))  # the least mean of g is the last
    assert not turns.shows([1, 2, 3, 4, 1, 4, 4, 0]) and not turns.shows([4, 2, 3, 5, 4, 3, 2, 1])
    with pytest.raises(NoValue, match="in some of 5 equal parts"):
        Turns(5, "d", "nothing").read(made)
