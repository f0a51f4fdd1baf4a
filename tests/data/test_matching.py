"""Which files of two folders belong together, where validation images are, and which frames make a film."""

from pathlib import Path

import pytest

from saddlepoint.data.listing import ImageFile
from saddlepoint.data.matching import folder_beside, sequences, sources_of
from saddlepoint.errors import RequestError


def files(folder: str, *names: str) -> list[ImageFile]:
    return [ImageFile(name, Path(folder) / name) for name in names]


def matched(targets: list[str], sources: list[str]) -> dict[str, str]:
    found = sources_of(files("T", *targets), files("S", *sources), "data.root=T", "data.source_root=S")
    return {str(path.relative_to("T")): source.name for path, source in found.items()}


def test_files_match_by_name_then_without_the_ending_then_in_any_case():
    assert matched(["a.png", "b.png", "C.png", "x/a.png"], ["a.png", "b.jpg", "c.jpg", "x/a.png"]) == {
        "a.png": "a.png", "b.png": "b.jpg", "C.png": "c.jpg", "x/a.png": "x/a.png"}
    assert matched(["a.png"], ["a.png"]) == {"a.png": "a.png"}
    assert matched(["a.1.png", "a.2.png"], ["a.1.jpg", "a.2.jpg"]) == {"a.1.png": "a.1.jpg", "a.2.png": "a.2.jpg"}


@pytest.mark.parametrize(("targets", "sources", "sentence"), [
    (["a.png", "b.png"], ["a.png"], "data.root=T has 2 images and data.source_root=S 1. Without an image of the same "
                                    "name in the other folder: b.png of data.root=T. Remove these"),
    (["a.png"], ["a.png", "b.png"], "1 images and data.source_root=S 2. .*: b.png of data.source_root=S. Remove"),
    (["a.png", "b.png"], ["a.png", "c.png"], ": b.png of data.root=T; c.png of data.source_root=S"),
    ([f"{n}.png" for n in range(9)], ["0.png"], "1.png, 2.png, 3.png and 5 more of data.root=T"),
    (["a.png"], ["b.png"], "no two have the same name .a.png, ... and b.png, ....: .* data=unpaired_folders"),
    (["a.png"], ["a.jpg", "a.bmp"], "a.jpg and a.bmp of data.source_root=S both fit a.png of data.root=T"),
    (["a.png", "a.jpg"], ["a.bmp"], "a.png and a.jpg of data.root=T have one source, a.bmp"),
])
def test_what_does_not_match_is_refused_by_name(targets, sources, sentence):
    with pytest.raises(RequestError, match=sentence):
        matched(targets, sources)


@pytest.mark.parametrize(("folders", "training", "expected"), [
    (["train", "val", "test"], "train", "val"), (["train", "test"], "train", "test"), (["train"], "train", None),
    (["trainA", "trainB", "testA", "testB"], "trainB", "testB"), (["Training", "Validation"], "Training", "Validation"),
    (["photos", "val"], "photos", None), (["train_large", "val", "val_large"], "train_large", "val_large"),
])
def test_validation_images_are_beside_those_of_training(tmp_path, folders, training, expected):
    for folder in folders:
        (tmp_path / folder).mkdir()
    assert folder_beside(tmp_path / training) == (tmp_path / expected if expected else None)


def test_the_frames_of_a_film_are_in_one_folder_and_counted():
    films = files("F", "a/f1.png", "a/f10.png", "a/f2.png", "b/f1.png", "b/f2.png", "c/f1.png")
    found = sequences(films, 2)
    assert {str(path): [str(each) for each in frames] for path, frames in found.items()} == {
        "F/a/f2.png": ["F/a/f1.png", "F/a/f2.png"], "F/a/f10.png": ["F/a/f2.png", "F/a/f10.png"],
        "F/b/f2.png": ["F/b/f1.png", "F/b/f2.png"]}
    assert sequences(films, 4) == {}
