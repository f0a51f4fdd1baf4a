"""From a line to a file."""

import json
import shlex
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from saddlepoint.data.sources.mnist import FashionMNIST
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.classifier import DIGITS_FILE, Classifier
from saddlepoint.metrics.extractors.extractor import Embedding
from saddlepoint.training import classifier
from saddlepoint.training.classifier import accuracy, recalls, sharpness, split, train
from saddlepoint.training.extra_images import Examples
from tests.composing import composed
from tests.data.formats import write_idx, write_photo_folder
from tests.metrics.extractors.examples import noise
from tests.processes import ROOT
from tests.warm import alone

TINY = ("data=fashion_mnist", "data.root=files", "data.image_size=16", "data.fit=resize", "data.batch_size=8",
        "budget.images=16", "threads=1")


def settings(*overrides: str) -> dict:
    return OmegaConf.to_container(composed(*overrides, config="train_classifier")[0], resolve=True)


def write_fashion(root: Path = Path("files")) -> None:
    write_idx(root)
    write_idx(root, prefix="t10k", count=10, seed=1)


def test_the_command_trains_a_classifier_that_measures(tmp_path):
    write_fashion()
    typed = [*TINY, "output=tiny (1).safetensors", "name=tiny"]
    done = alone([sys.executable, ROOT / "train_classifier.py", *typed], tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = Classifier("tiny (1).safetensors")
    beside = json.loads(Path("tiny (1).json").read_text())
    assert "data: 30 images of data=" in done.stdout
    assert "type extractor=classifier 'extractor.weights=tiny (1).safetensors'" in done.stdout
    assert f"30 training images, {beside['accuracy']:.2%} of 10 held-out images right" in done.stdout
    assert (beside["name"], beside["sha256"]) == ("tiny", loaded.digest)
    assert shlex.split(beside["command"]) == ["python", str(ROOT / "train_classifier.py"), *typed]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "tiny (1).json", "tiny (1).safetensors"]
    assert loaded(noise(2, 1, 16)).logits.shape == (2, 10)


def test_the_accuracy_on_the_card_is_that_of_the_file():
    write_fashion()
    loaded = Classifier(str(train(settings(*TINY), "command")))
    data = FashionMNIST(root="files", name="fashion_mnist", channels=1, image_size=16, fit="resize", num_classes=10,
                        batch_size=8)
    data.setup("fit")
    assert loaded.card.accuracy == accuracy(loaded, split(data, seed=0)[1])
    assert loaded.class_names == data.class_names
    assert (loaded.card.data, loaded.card.training_images, loaded.card.held_out_images) == ("fashion_mnist", 30, 10)
    assert loaded.card.held_out == "the test images of data=fashion_mnist"
    assert "share them with this classifier" in loaded.card.note


def test_it_pads_as_the_data_module_does():
    write_fashion()
    overrides = [*TINY, "data.image_size=32", "data.fit=pad", "output=padding.safetensors"]
    loaded = Classifier(str(train(settings(*overrides), "command")))
    assert (loaded.card.image_size, loaded.card.padded_from) == (32, 28)


def test_a_folder_of_classes_is_learned_from_as_well():
    write_photo_folder(Path("photos"), count=5, classes=("dark", "light"))
    overrides = ["data=image_folder", "data.root=photos", "data.num_classes=2", "data.image_size=16", "name=photos",
                 "data.num_workers=0", "data.batch_size=4", "budget.images=8", "data.horizontal_flip=true"]
    loaded = Classifier(str(train(settings(*overrides), "command")))
    assert loaded.class_names == ("dark", "light") and loaded.card.channels == 3
    assert (loaded.card.training_images, loaded.card.held_out_images) == (8, 2)


def test_the_seed_decides_every_byte_and_nothing_else_does():
    write_fashion()
    paths = []
    for name, seed in (("one", 3), ("other", 3), ("third", 4)):
        torch.manual_seed(len(paths))
        before = torch.get_rng_state()
        overrides = [*TINY, f"seed={seed}", f"output={name}.safetensors", "data.horizontal_flip=true"]
        paths.append(train(settings(*overrides), "command"))
        assert torch.equal(before, torch.get_rng_state())
    assert paths[0].read_bytes() == paths[1].read_bytes() != paths[2].read_bytes()


@pytest.mark.parametrize(("overrides", "sentence"), [
    (["data.num_classes=0"], "data.num_classes=0, and a classifier needs classes: type data.num_classes=K"),
    (["data.image_size=8"], "data.image_size=8 must be 1 or 3 channels and 16 to 256 pixels"),
    (["output=weights.pt"], "output=weights.pt must be a .safetensors file: type output=weights.pt.safetensors"),
    (["output=there.safetensors"], "there.safetensors exists: choose another file with output=, or add overwrite=true"),
    (["output=card.safetensors"], "card.json exists"),
    (["output=card.json/c.safetensors"], "output=card.json/c.safetensors cannot be written: card.json is a file, not"),
    ([f"output={'n' * 250}.safetensors"], "must be a shorter path .File name too long"),
    (["output=/proc/c.safetensors"], "output=/proc/c.safetensors cannot be written: "),
    (["name=digits"], "The classifier has the name digits, which is that of an extractor of saddlepoint's own"),
    (["name=random"], "has the name random"),
    (["name=Fashion-MNIST"], "name=Fashion-MNIST must consist of a-z, 0-9 and _"),
])
def test_what_cannot_be_done_is_said_before_an_image_is_read(overrides, sentence, monkeypatch):
    monkeypatch.setattr(classifier, "load_data", None)
    Path("there.safetensors").touch()
    Path("card.json").touch()
    with pytest.raises((RequestError, ValueError), match=sentence):
        train(settings(*TINY, *overrides), "command")


def test_the_name_digits_belongs_to_the_shipped_file():
    overrides = ["name=digits", f"output='{DIGITS_FILE}'", "overwrite=true"]
    made = settings(*overrides)
    classifier.check_request(made, "digits", Path(made["output"]))


def test_an_existing_file_is_replaced_when_asked_for():
    write_fashion()
    Path("fashion_mnist.safetensors").write_text("old")
    assert train(settings(*TINY, "overwrite=true"), "command") == Path("fashion_mnist.safetensors")
    assert Classifier("fashion_mnist.safetensors").name == "fashion_mnist"


def test_an_output_that_cannot_be_written_is_named():
    write_fashion()
    Path("file").touch()
    with pytest.raises(RequestError, match="output=file/tiny.safetensors cannot be written"):
        train(settings(*TINY, "output=file/tiny.safetensors"), "command")


def test_sharpened_logits_say_how_often_they_are_right():
    """Labels drawn from softmax(3 z): the factor that explains them best is 3, to the error of 20,000 draws."""
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 5, generator=draws)
    labels = (3 * logits).softmax(1).multinomial(1, generator=draws).flatten()
    assert sharpness(logits, labels) == pytest.approx(3, rel=0.05)
    torch.testing.assert_close(sharpness(logits / 7, labels), 7 * sharpness(logits, labels), rtol=1e-6, atol=0)


def test_more_images_and_repeated_ones_are_learned_from_and_told(capsys):
    write_fashion()
    Path("more/Coat").mkdir(parents=True)
    for number in range(2):
        Image.new("L", (28, 28), 100 * number).save(f"more/Coat/{number}.png")
    loaded = Classifier(str(train(settings(*TINY, "extra=more", "oversample=true"), "command")))
    assert loaded.card.training_images == 32
    assert "2 more images came from extra=more. Images of rare classes were repeated" in loaded.card.note
    assert "32 training images (30 and 2 of extra=)" in capsys.readouterr().out


def test_the_recall_of_a_class_is_the_share_of_its_images_that_are_found():
    class Told(torch.nn.Module):
        num_classes = 3

        def forward(self, images):
            return Embedding(images, torch.nn.functional.one_hot(images.flatten().long(), 3).float())
    guesses, labels = torch.tensor([0, 0, 1, 2, 1]), torch.tensor([0, 0, 0, 1, 1])
    of_classes = recalls(Told(), Examples(guesses.view(-1, 1, 1, 1), labels))
    assert of_classes == (pytest.approx(2 / 3), 0.5, None)
    assert accuracy(Told(), Examples(guesses.view(-1, 1, 1, 1), labels)) == pytest.approx(3 / 5)
