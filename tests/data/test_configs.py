"""The yaml files of conf/data."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "conf" / "data"
FILES = sorted(FOLDER.glob("*.yaml"))


def test_all_the_sets_are_here():
    names = ["cifar10", "fashion_mnist", "image_folder", "mnist", "mnist5k", "sr_folder"]
    assert [path.stem for path in FILES] == names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_opens_with_its_source_and_comments_every_setting(path):
    first, *lines = path.read_text().splitlines()
    assert first.startswith("# ")
    target, = (index for index, line in enumerate(lines) if line.startswith("_target_: "))
    settings = lines[target + 1:]
    assert len(settings) >= 8
    assert all(" # " in line or line.startswith("name: ") for line in settings)
