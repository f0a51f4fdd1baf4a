"""Settings as Python values: a command is given exactly what was handed over."""

from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from saddlepoint.config.composing import settings_of
from saddlepoint.config.overrides import parse, quote_path
from saddlepoint.config.python_values import as_overrides
from saddlepoint.config.spelling import MISSING
from saddlepoint.errors import RequestError
from tests.config.test_spelling import ANY, HARD

TEXTS = ANY.filter(lambda text: text != MISSING)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


def read(value, name: str = "x.y"):
    """The value of a setting as a command is given it"""
    [override] = parse([quote_path(each) for each in as_overrides({name: value})])
    assert override.key_or_group == name and not override.is_sweep_override()
    content = OmegaConf.create({"value": override.value()})
    return OmegaConf.to_container(content, resolve=True)["value"]


@pytest.mark.parametrize("text", [*HARD, "", "x" * 300, "1", "1.0", "a b", "ends in space ", "${oc.env:HOME}"])
@pytest.mark.parametrize("name", ["loss", "x.y", "run", "input", "output", "data.root"])  # some are of paths
def test_a_text_stays_that_text(text, name):
    assert read(text, name) == text
    assert read(Path(text), name) == str(Path(text))


@given(PLAIN | st.lists(PLAIN, max_size=4) | st.dictionaries(st.from_regex("[a-z_]{1,5}", fullmatch=True), PLAIN).map(
    lambda values: {"_target_": "a.B", **values}))
@settings(max_examples=300, deadline=None)
def test_any_value_comes_back_with_its_type(value):
    found = read(value)
    assert found == value and type(found) is type(value)
    if isinstance(value, list):
        assert [*map(type, found)] == [*map(type, value)]


@pytest.mark.parametrize(("value", "expected"), [
    (numpy.int64(3), 3), (numpy.float64(0.1), 0.1), (numpy.bool_(True), True), (torch.tensor(7), 7), ((1, 2), [1, 2]),
    (torch.tensor([0.5, 2.0]), [0.5, 2.0]), (numpy.arange(3), [0, 1, 2]), (numpy.str_("null"), "null"),
    (range(2), [0, 1]),
])
def test_numbers_and_arrays_of_other_libraries_are_plain_values(value, expected):
    found = read(value)
    assert found == expected and type(found) is type(expected)


def test_a_dict_sets_what_stands_below_a_name():
    values = {"budget": {"images": 7}, "tricks": {"r1": {"gamma": 1}}, "optimizer.generator.lr": 1e-4, "trick": ["r1"]}
    composed = settings_of(as_overrides(values))
    assert composed["budget"] == {"images": 7} and composed["tricks"]["r1"]["gamma"] == 1
    assert composed["optimizer"]["generator"]["lr"] == 1e-4 and composed["trick"] == ["r1"]
    assert as_overrides({"data": {"pair": "edges"}}) == ["data/pair=edges"]  # a group below a group
    assert as_overrides({"budget": {}}) == []


def test_a_dict_with_a_target_replaces_a_number():
    schedule = {"_target_": "saddlepoint.game.schedule.Linear", "start": 1.0, "end": 0.0, "images": 8, "begin_at": 4}
    assert settings_of(as_overrides({"optimizer": {"schedule": schedule}}))["optimizer"]["schedule"] == schedule


@pytest.mark.parametrize(("values", "why"), [
    ({"budget.images": object()}, "budget.images=<object .*> is of the type object, which no setting has: give None"),
    ({"loss": b"hinge"}, "loss=b'hinge' is of the type bytes"),
    ({"trick": {"r1"}}, "trick={'r1'} is of the type set"),
    ({"budget images": 3}, "budget images is not the name of a setting"),
    ({"data": {"a=b": 3}}, "data.a=b is not the name of a setting"),
    ({"x": {"_target_": "a.B", "a b": 1}}, "x=.*_target_.* is of the type dict"),
])
def test_what_no_setting_can_be_is_refused(values, why):
    with pytest.raises(RequestError, match=why):
        as_overrides(values)
