"""saddlepoint-augment without a process of its own: settings in, a folder of images with a manifest out."""

import json
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import nn

import saddlepoint
from saddlepoint.commands import augmenting
from saddlepoint.config.composing import settings_of
from saddlepoint.data import pixels
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import write_json
from saddlepoint.metrics.extractors.extractor import Embedding
from saddlepoint.runs import checkpoint
from saddlepoint.training.extra_images import Examples, with_extra
from tests.composing import settings
from tests.translation_runs import untrained_run

SMALL = ("data.image_size=8", "data.fit=resize", "model.generator.widths=[8]", "model.discriminator.widths=[8]",
         "model.latents.size=3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs to fill from")
    torch.manual_seed(0)
    made = {"cgan": untrained_run(folder / "cgan", settings("model=cgan", "model.discriminator.dropout=0", *SMALL)),
            "mlp": untrained_run(folder / "mlp", settings("model=mlp", *SMALL))}
    for run in made.values():
        path = run / "checkpoints" / "last.ckpt"
        saved = checkpoint.load(path)
        saved["data"] = {"name": "mnist5k", "classes": {str(label): 3 if label == 7 else 9 for label in range(10)}}
        if "class_distribution" in saved["module"] and run.name == "cgan":
            shares = torch.tensor([1.0] * 4 + [0.0] + [1.0] * 5)  # no image of class 4
            saved["module"]["class_distribution"] = shares.cumsum(0) / 9
        checkpoint.save(path, saved)
    return made


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def augment(*overrides: str) -> Path:
    return augmenting.augment(settings_of(["threads=1", *overrides], "augment"))


def manifest(folder: Path) -> list[dict]:
    return json.loads((folder / "manifest.json").read_text())["images"]


class Brightness(nn.Module):
    """A classifier of two classes, `7` for images that are brighter than the middle of a few and `dark`."""

    name, digest, class_names = "brightness", "abc", ("dark", "7")

    def check(self, channels, image_size):
        assert (channels, image_size) == (1, 8)

    def forward(self, images):
        brightness = images.float().mean((1, 2, 3)) - 127.5
        return Embedding(brightness[:, None], torch.stack([-brightness, brightness], 1))


def test_a_class_is_filled_up_to_the_largest_and_the_manifest_tells_how(runs, capsys):
    folder = augment(f"run={runs['cgan']}", "class=7", "seed=5")
    assert folder == runs["cgan"] / "augmented"
    files = sorted((folder / "7").iterdir())
    assert [path.name for path in files] == [f"{number:06}.png" for number in range(6)]  # 9 - 3
    drawn = pixels.to_bytes(saddlepoint.load_generator(runs["cgan"]).sample(6, seed=5, labels=7))
    for path, image in zip(files, drawn, strict=True):
        assert numpy.array_equal(numpy.array(Image.open(path)), image[0].numpy())
    [entry] = manifest(folder)
    assert (entry["class"], entry["count"], entry["seed"], entry["drawn"]) == ("7", 6, 5, 6)
    assert entry["run"] == str(runs["cgan"]) and entry["checkpoint"] == "last.ckpt" and entry["images_seen"] == 0
    assert entry["classifier"] is None and entry["numbers"] == [*range(6)] and "revision" in entry
    assert "6 images of class 7" in capsys.readouterr().out


def test_several_classes_share_a_folder_that_data_and_train_classifier_read(runs):
    for label in (2, 7):
        augment(f"run={runs['cgan']}", f"class={label}", "count=3", "output=filled")
    assert [entry["class"] for entry in manifest(Path("filled"))] == ["2", "7"]
    data = ImageFolder(root="filled", name="filled", channels=1, image_size=8, batch_size=2, num_classes=2,
                       resize="none")
    data.setup("fit")
    assert data.class_names == ("2", "7") and data.class_counts.tolist() == [3, 3]
    with pytest.raises(RequestError, match="output=filled has images of class 7 already"):
        augment(f"run={runs['cgan']}", "class=7", "count=3", "output=filled")
    augment(f"run={runs['cgan']}", "class=7", "count=2", "output=filled", "overwrite=true")
    assert [(entry["class"], entry["count"]) for entry in manifest(Path("filled"))] == [("2", 3), ("7", 2)]
    assert len([*Path("filled/7").iterdir()]) == 2


def test_only_images_that_it_drew_are_replaced_and_the_manifest_forgets_them_first(runs, monkeypatch):
    augment(f"run={runs['cgan']}", "class=7", "count=3", "output=filled")
    (Path("filled/7") / "mine.png").write_bytes(b"of the user")

    def fail(*arguments):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(augmenting.pictures, "write_png", fail)
        augment(f"run={runs['cgan']}", "class=7", "count=2", "output=filled", "overwrite=true")
    assert manifest(Path("filled")) == [] and [path.name for path in Path("filled/7").iterdir()] == ["mine.png"]
    augment(f"run={runs['cgan']}", "class=7", "count=2", "output=filled")
    assert {path.name for path in Path("filled/7").iterdir()} == {"mine.png", "000000.png", "000001.png"}


@pytest.mark.parametrize(("name", "sentence"), [
    ("..", "class=7 is called '..', which no folder can be called"), ("", "class=7 is called ''"),
    ("A/2", "output=filled has images of class a_2 in A_2/, which would be that of class A/2 too")])
def test_a_class_whose_folder_would_be_another_is_refused(name, sentence, runs, monkeypatch):
    Path("filled").mkdir()
    write_json(Path("filled/manifest.json"), {"images": [{"class": "a_2", "numbers": [0]}]})
    source = augmenting.source_of
    monkeypatch.setattr(augmenting, "source_of", lambda *given: (source(*given)[0], name))
    with pytest.raises(RequestError) as refusal:
        augment(f"run={runs['cgan']}", "class=7", "count=2", "output=filled")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("content", [{"name": "x"}, {"images": []}, {"images": {}}, {"images": ["a.png"]},
                                     {"images": [{"class": "cat", "src": "cat.png"}]}])
def test_a_manifest_of_another_program_is_refused_and_left_as_it_is(content, runs):
    Path("site").mkdir()
    write_json(Path("site/manifest.json"), content)
    with pytest.raises(RequestError, match="output=site holds files, and no manifest.json of ours: choose another"):
        augment(f"run={runs['cgan']}", "class=7", "count=2", "output=site")
    assert json.loads(Path("site/manifest.json").read_text()) == content and len([*Path("site").iterdir()]) == 1


@pytest.mark.parametrize("name", ["a/b", "long " * 60])
def test_train_classifier_finds_the_class_again_whatever_it_is_called(name, runs, monkeypatch):
    source = augmenting.source_of
    monkeypatch.setattr(augmenting, "source_of", lambda *given: (source(*given)[0], name))
    augment(f"run={runs['cgan']}", "class=7", "count=2", "output=filled")
    data = MNIST5k(name="mnist5k", channels=1, image_size=32, num_classes=10, batch_size=4, subset_size=20)
    data.setup("fit")
    data.class_names = tuple(name if label == 7 else str(label) for label in range(10))
    none = Examples(torch.empty(0, 1, 32, 32, dtype=torch.uint8), torch.empty(0, dtype=torch.long))
    assert with_extra(none, "filled", data)[0].labels.tolist() == [7, 7]


def test_a_classifier_picks_from_a_run_without_classes(runs, monkeypatch, capsys):
    monkeypatch.setattr(augmenting, "Classifier", lambda weights: Brightness())
    folder = augment(f"run={runs['mlp']}", "class=7", "count=9", "classifier=own.safetensors")
    [entry] = manifest(folder)
    images = saddlepoint.load_generator(runs["mlp"]).sample(entry["drawn"])
    bright = [number for number, image in enumerate(pixels.to_bytes(images).float().mean((1, 2, 3))) if image > 127.5]
    assert entry["numbers"] == bright and len(bright) == 9 and entry["drawn"] == bright[-1] + 1
    assert entry["classifier"] == {"name": "brightness", "digest": "abc", "least_probability": 0.5}
    assert f"9 images of class 7, of {entry['drawn']} drawn, by brightness" in capsys.readouterr().out


def test_a_classifier_that_takes_none_is_refused(runs, monkeypatch):
    monkeypatch.setattr(augmenting, "Classifier", lambda weights: Brightness())
    monkeypatch.setattr(augmenting.Source, "takes", lambda self, images: torch.zeros(len(images), dtype=torch.bool))
    with pytest.raises(RequestError, match="took 0 of 400 images, and 2 are wanted"):
        augment(f"run={runs['mlp']}", "class=7", "count=2", "classifier=own.safetensors", "output=none")


@pytest.mark.parametrize(("run", "typed", "sentence"), [
    ("cgan", [], "class is not set"),
    ("cgan", ["class=4"], "had no image of class 4, so what it draws of it means nothing. A rare class needs at least"),
    ("cgan", ["class=12"], "class=12 is not a class of this run"),
    ("cgan", ["class=2"], "class=2 has 9 images in the run's data, and none has more"),
    ("mlp", ["class=7"], "takes no classes, so something must pick the images of class 7: type classifier=FILE"),
    ("cgan", ["class=7", "output=other"], "output=other holds files, and no manifest.json of ours"),
    ("cgan", ["class=7", "classifier=nowhere.safetensors"], "extractor.weights=nowhere.safetensors"),
])
def test_what_cannot_be_is_refused_in_a_sentence(runs, run, typed, sentence):
    Path("other").mkdir()
    Path("other/letter.txt").touch()
    with pytest.raises(RequestError) as refusal:
        augment(f"run={runs[run]}", *typed)
    assert sentence in str(refusal.value)
