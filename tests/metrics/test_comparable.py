"""What is said of metrics where torch is not at hand agrees with what they say of themselves."""

import json
from importlib import import_module, resources

import pytest

from saddlepoint.metrics.comparable import GREATER_IS_BETTER, greater_is_better
from tests.composing import CONF, options, read_yaml


@pytest.mark.parametrize("option", [option for option in options("metrics") if option != "all"])
def test_a_metric_is_better_where_it_says_so(option):
    module, _, name = read_yaml(CONF / "metrics" / f"{option}.yaml")["_target_"].rpartition(".")
    metric = getattr(import_module(module), name)
    expected = None if metric.name == "neighbour_distance" else metric.greater_is_better
    assert greater_is_better(f"{metric.name}_digits", "digits") is expected


def test_a_further_average_of_the_generator_has_the_metrics_direction():
    directions = [greater_is_better(f"{metric}_digits/short", "digits") for metric in ("fid", "recall")]
    assert directions == [False, True]


def test_every_measure_of_enlarged_images_has_its_direction():
    schema = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
    names = schema["properties"]["image_quality"]["items"]["properties"]["name"]["enum"]
    assert {name: greater_is_better(name) for name in names} == {
        name: name.startswith(("psnr", "ssim")) for name in names}
    assert {*names} <= {*GREATER_IS_BETTER}


def test_what_codes_and_encoders_say_has_its_direction():
    schema = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
    names = schema["properties"]["representation"]["items"]["properties"]["name"]["enum"]
    assert {name: greater_is_better(name) for name in names} == {name: name.endswith("accuracy") for name in names}
