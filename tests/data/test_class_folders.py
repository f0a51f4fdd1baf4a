"""A refusal tells where the classes of a folder are, and the settings that it names work."""

import shlex
from pathlib import Path

import pytest

from saddlepoint.data.class_folders import place_of_classes
from saddlepoint.errors import RequestError
from tests.data.folder_data import folder, write_grey_levels

IMAGES = {  # folders -> what the refusal of num_classes=9 says to type
    "parts": (["train/ant", "train/bee", "train/cow", "test/ant", "test/bee"], ["data.root={root}/train", "3"]),
    "parts in capitals": (["Val/ant", "Val/bee", "TEST/ant"], ["data.root={root}/Val", "2"]),
    "parts by word": (["training_set/ant", "training_set/bee", "test_set/ant"], ["data.root={root}/training_set", "2"]),
    "parts of a year": (["val2017/ant", "train2017/ant", "train2017/bee"], ["data.root={root}/train2017", "2"]),
    "folds": (["fold1/ant", "fold1/bee", "fold2/ant"], ["data.root={root}/fold1", "2"]),
    "classes of tests": (["test_positive", "test_negative"], ["", "2"]),
    "one folder around": (["images/ant", "images/bee"], ["data.root={root}/images", "2"]),
    "one around parts": (["set/train/ant", "set/train/bee", "set/test/ant"], ["data.root={root}/set/train", "2"]),
    "deeper files": (["ant/1", "ant/2", "bee/1"], ["", "2"]),
    "one class": (["ant"], ["", "1"]),
}


def typed(sentence: str, root: Path) -> dict[str, str]:
    """Returns the settings that a refusal tells the user to type, as the shell reads them."""
    words = shlex.split(sentence.partition(" type ")[2].replace(",", " "))
    return dict(word.split("=", 1) for word in words if "=" in word and not word.endswith("=0"))


@pytest.mark.parametrize("layout", IMAGES)
def test_the_advice_names_the_place_of_the_classes_and_works(layout, tmp_path):
    folders, (place, count) = IMAGES[layout]
    root = tmp_path / "my data"
    for each in folders:
        write_grey_levels(root / each, range(2))
    with pytest.raises(RequestError) as refusal:
        folder(root, num_classes=9, channels=1)
    suggested = typed(str(refusal.value), root)
    assert suggested.get("data.num_classes") == count
    assert suggested.get("data.root", str(root)) == (place.partition("=")[2].format(root=root) or str(root))
    data = folder(suggested.get("data.root", root), num_classes=int(count), channels=1)
    assert len(data.class_names) == int(count) and "train" not in data.class_names


def test_parts_are_no_classes_even_where_their_number_is_typed(tmp_path):
    for each in ("train/ant", "train/bee", "test/ant"):
        write_grey_levels(tmp_path / each, range(2))
    with pytest.raises(RequestError, match="its classes are in"):
        folder(tmp_path, num_classes=2, channels=1)


def test_parts_without_class_folders_lead_to_training_without_classes(tmp_path):
    for each in ("train", "test"):
        write_grey_levels(tmp_path / each, range(2))
    with pytest.raises(RequestError, match=f"no folders of classes: type data.root={tmp_path}/train data.num_classes="):
        folder(tmp_path, num_classes=2, channels=1)


@pytest.mark.parametrize("where", ["00000/img1.png", "img1.png"])
def test_the_layout_of_stylegan_has_no_class_folders(where, tmp_path):
    write_grey_levels((tmp_path / where).parent, range(2))
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    with pytest.raises(RequestError, match="layout of StyleGAN's dataset_tool.*: type data=zip, which"):
        folder(tmp_path, num_classes=1, channels=1)
    assert folder(tmp_path, channels=1).num_images == 2


def test_a_file_of_that_name_beside_class_folders_changes_nothing(tmp_path):
    for each in ("ant", "bee"):
        write_grey_levels(tmp_path / each, range(2))
    (tmp_path / "dataset.json").write_text("{}")
    assert folder(tmp_path, num_classes=2, channels=1).class_names == ("ant", "bee")


def test_training_on_all_parts_of_a_set_is_warned_of(tmp_path, caplog):
    for each in ("train", "test"):
        write_grey_levels(tmp_path / each, range(2))
    folder(tmp_path, channels=1)
    assert f"the parts test, train, and all of them are trained on: data.root={tmp_path}/train is one" in caplog.text


def test_images_beside_folders_have_no_place_of_classes():
    assert place_of_classes(["a/1.png", "2.png"]) == ("", ())
