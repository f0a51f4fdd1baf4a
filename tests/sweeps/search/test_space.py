"""What a search may vary, and what it is told of the rest."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search.space import Choices, Numbers, read_space
from saddlepoint.sweeps.search.study import distribution
from tests.composing import CONF, read_yaml


@pytest.mark.parametrize(("typed", "expected"), [
    ("loss=hinge,minimax", Choices("loss", ("hinge", "minimax"))),
    ("trick=[],[ema,r1]", Choices("trick", ("[]", "[ema,r1]"))),
    ("a=choice(3)", Choices("a", ("3",))),
    ("a=2,1,2", Choices("a", ("2", "1"))),
    ("a=shuffle(c,b,a)", Choices("a", ("a", "b", "c"))),
    ("a='x y',null", Choices("a", ("'x y'", "null"))),
    ("+a.b=interval(0, 1)", Numbers("+a.b", 0.0, 1.0)),
    ("a=tag(log, interval(1e-5, 1e-3))", Numbers("a", 1e-5, 1e-3, log=True)),
    ("a=int(interval(1, 8))", Numbers("a", 1, 8, whole=True)),
    ("a=tag(log, int(interval(1, 100)))", Numbers("a", 1, 100, whole=True, log=True)),
])
def test_hydras_grammar_is_the_space(typed, expected):
    assert read_space([typed, "seed=1"], {}, None).dimensions == (expected,)


@pytest.mark.parametrize("typed", ["range(1, 10, 2)", "range(10, 1, -3)", "range(0, 1, 0.25)", "range(4)",
                                   "shuffle(range(1, 4))", "float(range(1, 4))", "range(0.1, 0.8, 0.1)"])
def test_a_range_holds_what_hydra_enumerates(typed):
    [numbers] = read_space([f"a={typed}"], {}, None).dimensions
    [override] = OverridesParser.create().parse_overrides([f"a={typed}"])
    count = round((numbers.high - numbers.low) / numbers.step)
    texts = [numbers.text(numbers.low + index * numbers.step) for index in range(count + 1)]
    assert [float(text) for text in texts] == pytest.approx(sorted(map(float, override.sweep_string_iterator())))
    assert ("." in texts[0]) is ("." in typed or "float" in typed)
    bounds = distribution(numbers)
    assert (bounds.low, bounds.high, bounds.step) == (numbers.low, pytest.approx(numbers.high), numbers.step)


def test_numbers_are_typed_with_six_digits_inside_their_interval():
    numbers = Numbers("a", 1e-5, 0.12345678)
    assert numbers.text(0.0001234567891) == "0.000123457" and float(numbers.text(0.12345678)) == 0.12345678
    assert numbers.text(1e-5) == "1e-05" and Numbers("a", 1, 9, whole=True).text(8.0) == "8"


def test_settings_with_one_value_belong_to_every_trial_and_typed_ones_to_the_line():
    space = read_space(["budget.images=8", "a=1,2", "data.root='c, d'"], {"b.c": "interval(0, 1)"}, None)
    overrides, own = space.overrides({"a": "2", "b.c": 0.25})
    assert own == ["a=2", "b.c=0.25"] and overrides == ["budget.images=8", "data.root='c, d'", *own]


def test_corners_meet_every_choice_and_both_ends():
    corners = read_space(["a=1,2,3", "b=interval(0, 1)"], {}, None).corners()
    assert corners == [["a=1", "b=0.0"], ["a=2", "b=1.0"], ["a=3", "b=1.0"]]


@pytest.mark.parametrize(("typed", "written", "words"), [
    (["a=1"], {}, "needs settings to vary"),
    (["a=1", "a=1,2"], {}, "a= is given one value and is searched as well"),
    (["a=1"], {"a": "1,2"}, "a= is given one value and is searched as well"),
    (["+a=1,2"], {"a": "1,2"}, "a= is searched twice"),
    (["a=tag(log, interval(0, 1))"], {}, "with log must begin above 0"),
    (["a=interval(2, 1)"], {}, "from a finite number to a larger one"),
    (["a=interval(1, inf)"], {}, "from a finite number to a larger one"),
    (["a=range(3, 3)"], {}, "holds no value"),
    (["a=tag(log, choice(1, 2))"], {}, "only tag"),
    (["a=tag(large, interval(1, 2))"], {}, "only tag"),
    (["extractor=digits,random"], {}, "decides what a score means"),
    (["metrics.kid.subsets=1,2"], {}, "decides what a score means"),
    (["data=mnist,cifar10"], {}, "decides what a score means"),
    (["+data.root='a','b'"], {}, "data.root= cannot be searched, since it decides what a score means"),
    ([], {"data.image_size": "range(16, 65, 16)"}, "decides what a score means"),
    ([], {"a": 1}, "must be a text with several values"),
    ([], {"a": "1"}, "one value is typed: a=1"),
    ([], {"a": "interval(1"}, "hydra.sweeper.space.a=interval(1 cannot be read"),
])
def test_a_space_that_cannot_be_is_refused_in_a_sentence(typed, written, words):
    with pytest.raises(RequestError) as refusal:
        read_space(typed, written, None)
    assert words in str(refusal.value)


def test_of_the_data_only_how_it_is_trained_on_may_be_searched():
    """Every setting of every set is known to be one or the other: a new one is refused until it is."""
    known = {name for file in (CONF / "data").glob("*.yaml") for name in read_yaml(file)} - {"defaults", "_target_"}
    free = {"batch_size", "seed", "horizontal_flip", "rotate", "num_workers", "cache", "memory_megabytes", "pair_pool",
            "sharpen_target", "degradation_crop", "on_device", "draft"}
    assert {"root", "subset_size", "image_size", "resize", "crop", "fit", "channels", "train_fraction", "split_seed",
            "low_root", "validation_root", "extensions", "max_pixels", "corrupt", "num_classes"} < known
    for name in known - {"degradation"}:
        if name in free:
            assert read_space([f"data.{name}=1,2"], {}, None).dimensions[0].key == f"data.{name}"
        else:
            with pytest.raises(RequestError, match="decides what a score means"):
                read_space([f"data.{name}=1,2"], {}, None)
    read_space(["data.degradation.first.blur.probability=0.1,0.2"], {}, None)


def test_optuna_draws_from_the_bounds_that_were_typed():
    drawn = distribution(Numbers("a", 1e-5, 1e-3, log=True))
    assert (drawn.low, drawn.high, drawn.log) == (1e-5, 1e-3, True) and math.isclose(drawn.low, 1e-5)
    assert distribution(Choices("a", ("x", "y"))).choices == ("x", "y")
