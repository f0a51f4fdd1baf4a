"""The yaml files of conf/data."""

import re
from pathlib import Path

import pytest

from saddlepoint.data.images import ImageDataModule
from tests.in_conf import classes, concrete

FOLDER = Path(__file__).parents[2] / "conf" / "data"
FILES = sorted(FOLDER.glob("*.yaml"))
OF_A_PART = re.compile(r"[a-z_]+:|  _target_: .+")  # a line that begins a part of settings, and the one of its class


def test_every_set_is_an_option_and_has_tests_that_name_it():
    sets = classes("data")
    assert sets.keys() == {path.stem for path in FILES}
    assert {*sets.values()} == concrete(ImageDataModule)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert [name for name, target in sets.items() if not re.search(rf"\b{target.__name__}\b", tests)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_opens_with_its_source_and_comments_every_setting(path):
    first, *lines = path.read_text().splitlines()
    assert first.startswith("# ")
    target, = (index for index, line in enumerate(lines) if line.startswith("_target_: "))
    settings = [line for line in lines[target + 1:] if not OF_A_PART.fullmatch(line)]
    assert len(settings) >= 8
    assert all(" # " in line or line.startswith("name: ") for line in settings)
