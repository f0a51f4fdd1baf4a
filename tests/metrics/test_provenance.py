"""A number carries its protocol, and metrics.json keeps to its schema."""

import dataclasses
import json
import math
from importlib import resources

import jsonschema
import pytest

from saddlepoint.metrics.metric import Measurement
from saddlepoint.metrics.provenance import Protocol, format_table, values
from saddlepoint.runs.directory import update_metrics

SCHEMA = json.loads(resources.files("saddlepoint.metrics").joinpath("schema.json").read_text())
PROTOCOL = Protocol(
    extractor="digits", digest="a" * 64, resize="none", reference="mnist5k", reference_digest="b" * 64, split="train",
    framing="pad", num_real=5000, num_fake=2000, image_size=32, seed=0, ema=True, batchnorm="running",
    quantisation="8 bits, rounded", versions={"torch": "2"}, revision="c")


def measured(value=1.5, interval=(1.0, 2.0), settings=None, details=None):
    return values({"fid": Measurement(value, interval, settings or {}, details or {})}, PROTOCOL, 48_000)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_value_keeps_to_the_schema():
    jsonschema.validate({"metrics": [value.as_json() for value in measured()]}, SCHEMA)
    lost = {"metrics": [value.as_json() for value in measured(math.nan, None, details={"0": math.inf})]}
    jsonschema.validate(json.loads(json.dumps(lost, allow_nan=False)), SCHEMA)
    assert lost["metrics"][0]["value"] is None


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Protocol)])
def test_a_value_without_part_of_its_protocol_is_none(field):
    content = {"metrics": [value.as_json() for value in measured()]}
    del content["metrics"][0]["protocol"][field]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)


def test_the_name_carries_the_extractor():
    assert measured()[0].name == "fid_digits"


def test_what_a_definition_leaves_open_stands_in_the_protocol():
    value, = measured(settings={"splits": 10, "neighbours": 3})
    assert value.protocol.splits == 10 and value.protocol.settings == {"neighbours": 3}


@pytest.mark.parametrize(("change", "differs"), [
    ({"extractor": "random"}, ["extractor"]), ({"num_fake": 5000}, ["num_fake"]), ({"ema": False}, ["ema"]),
    ({"batchnorm": "batch of 64"}, ["batchnorm"]), ({"split": "test", "num_real": 10_000}, ["split", "num_real"]),
    ({"settings": {"neighbours": 5}}, ["settings"]), ({"reference_digest": "d" * 64}, ["reference_digest"]),
    ({"seed": 3}, []), ({"revision": "x", "versions": {}}, []),
])
def test_unlike_protocols_are_told_apart_by_name(change, differs):
    assert sorted(PROTOCOL.differences(dataclasses.replace(PROTOCOL, **change))) == sorted(differs)


def test_the_table_shows_values_and_intervals_in_columns():
    lines = format_table(measured() + values({"neighbour_distance": Measurement(0.123456)}, PROTOCOL, 0)).splitlines()
    assert lines[1] == "fid_digits                    1.5  1 to 2"
    assert lines[2] == "neighbour_distance_digits  0.1235"


def test_what_a_perfect_generator_would_have_stands_beside_the_value():
    modes = Measurement(7.0, (6.0, 8.0), details={"perfect": 7.96, "perfect_std": 0.1})
    known = values({"modes": modes, "mode_kl": Measurement(math.nan, reason="no fake belongs to a mode")}, PROTOCOL, 0)
    lines = format_table([*known, *measured()]).splitlines()
    assert lines[0].endswith("perfect generator")
    assert lines[1] == "modes_digits        7  6 to 8         7.96"
    assert lines[2:4] == ["mode_kl_digits   none  none", "fid_digits        1.5  1 to 2"]
    assert [each.in_words() for each in (*known, *measured())] == [
        "modes_digits 7 (perfect 7.96)", "mode_kl_digits none (no fake belongs to a mode)", "fid_digits 1.5"]


def test_a_class_called_perfect_is_no_perfect_generator():
    of_classes = values({"class_fid": Measurement(2.0, details={"perfect": 1.0, "torn": 3.0})}, PROTOCOL, 0)
    assert of_classes[0].perfect is None and "perfect" not in format_table(of_classes)


def test_parts_of_metrics_json_are_replaced_and_costs_are_added_to(tmp_path):
    update_metrics(tmp_path, {"metrics": [], "best": None, "cost": {"evaluation_seconds": 1.0}})
    update_metrics(tmp_path, {"cost": {"seconds": 5.0}})
    update_metrics(tmp_path, {"metrics": [value.as_json() for value in measured()]})
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["cost"] == {"evaluation_seconds": 1.0, "seconds": 5.0}
    assert content["metrics"][0]["value"] == 1.5 and content["best"] is None
