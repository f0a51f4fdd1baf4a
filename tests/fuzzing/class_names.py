"""Folders of classes under odd names: each class can be asked of sample.py in the words that are proposed for it."""

import os
import re
import shlex
import tempfile
import unicodedata
from pathlib import Path
from unittest.mock import patch

from hydra import compose, initialize_config_dir
from hypothesis import strategies
from torch import nn

from saddlepoint.commands import drawing
from saddlepoint.config import spelling
from saddlepoint.config.check import checked_settings
from saddlepoint.config.overrides import prepare
from saddlepoint.sampling import compositions
from saddlepoint.sampling.generator import SamplingGenerator
from tests.composing import CONF
from tests.data.folder_data import folder, write_grey_levels
from tests.fuzzing.strategies import STEMS

WORDS = ("null", "all", "true", "0", "1", "-1", "0.5", "1e3", "nan", "???", "[a]", "a,b", "range(3)", "'q'", '"q"')
CLASS_NAMES = strategies.lists(strategies.one_of(STEMS, strategies.sampled_from(WORDS)), min_size=1, max_size=3,
                               unique_by=lambda name: unicodedata.normalize("NFC", name))


def each_can_be_asked_for(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        for level, name in enumerate(names):
            write_grey_levels(Path(place) / name, [level])
        data = folder(place, num_classes=len(names))
    assert sorted(unicodedata.normalize("NFC", name) for name in names) == [*data.class_names]
    network = nn.Identity()
    network.num_classes = len(names)
    generator = SamplingGenerator(network, None, class_names=data.class_names)
    for number, name in enumerate(data.class_names):
        word = spelling.of_class("class", [name])
        assert name == spelling.MISSING if word is None else label_drawn(generator, typed_in_a_shell(word)) == number


def label_drawn(generator: SamplingGenerator, argument: str) -> int:
    with (initialize_config_dir(str(CONF), version_base="1.3"),
          patch.object(compositions, "compose_seed", lambda *arguments: arguments[-1])):
        return drawing.compose_picture(generator, checked_settings(compose("sample", prepare([argument], None))))


def typed_in_a_shell(word: str) -> str:
    """What bash hands on"""
    if not word.startswith("$'"):
        return shlex.split(word)[0]
    letters = re.sub(rb"\\(?:x([0-9a-f]{2})|(.))", lambda each: bytes.fromhex(each[1].decode()) if each[1] else each[2],
                     os.fsencode(word[2:-1]), flags=re.DOTALL)
    return os.fsdecode(letters)
