"""Settings as YAML: what OmegaConf writes of them, and what OmegaConf and PyYAML read."""

import math

import pytest
import yaml
from omegaconf import OmegaConf

from saddlepoint.config.writing import to_yaml
from saddlepoint.runs.reading import LOADER
from tests.composing import settings

TEXTS = ["", "~", "null", "yes", "No", "ON", "y", "true", "1", "-1", "1_0", "1e-4", ".5", "nan", "Infinity", "0x1f",
         "2026-01-31", "1:30", "a: b", "- a", "#a", "a #b", "&a", "*a", "!a", "%a", "@a", "'a'", '"a"', " a ", "a\nb",
         "a\tb", "[a]", "{a}", "???", "Größe", "日本", "\x07", "a b " * 40, "=", "<<", "|", ">"]
NUMBERS = [0, -3, 10**20, 0.1, 1e-4, 1e30, -0.0, True, None, math.inf]


@pytest.mark.parametrize("typed", [(), ("experiment=srgan_x4", "trick=[ema,r1]"), ("run.dir=a b/c", "trick=[]")])
def test_a_runs_settings_are_written_as_omegaconf_writes_them(typed):
    made = settings(*typed)
    assert to_yaml(made) == OmegaConf.to_yaml(OmegaConf.create(made))


def test_every_kind_of_value_is_read_as_what_it_was():
    made = {"texts": TEXTS, "numbers": NUMBERS, "nested": [{"a": []}, {}, [[1], "1"]], **dict.fromkeys(TEXTS, 1)}
    assert yaml.load(to_yaml(made), LOADER) == made
    assert OmegaConf.to_container(OmegaConf.create(to_yaml(made))) == made
    assert to_yaml({"texts": TEXTS}) == OmegaConf.to_yaml(OmegaConf.create({"texts": TEXTS}))  # y is true to some


def test_every_letter_is_read_as_itself():
    codes = [*range(0x180), 0x2028, 0x2029, 0xd7ff, 0xe000, 0xfeff, 0xfffe, 0x1f642]
    made = {"alone": [*map(chr, codes)], "in words": [f"a {chr(code)} b" for code in codes]}
    assert yaml.load(to_yaml(made), LOADER) == yaml.safe_load(to_yaml(made)) == made


def test_a_path_with_other_bytes_is_written_as_valid_unicode():
    assert to_yaml({"a": "b\udcff"}).encode()
