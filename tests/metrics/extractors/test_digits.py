"""The classifier of digits that comes with saddlepoint."""

import json
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional

import saddlepoint
from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.downloads import digest_of
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors import classifier
from saddlepoint.metrics.extractors.classifier import DIGITS_FILE, DIGITS_SHA256, Digits
from saddlepoint.metrics.extractors.classifier_files import card_file
from saddlepoint.training.classifier import accuracy, split

PACKAGE = Path(saddlepoint.__file__).parent


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


@pytest.fixture(scope="module")
def mnist5k() -> MNIST5k:
    data = MNIST5k(name="mnist5k", channels=1, image_size=32, num_classes=10, batch_size=100)
    data.setup("fit")
    return data


def test_it_reads_held_out_digits_as_well_as_its_card_says(digits, mnist5k):
    learned, held_out, which = split(mnist5k, seed=0)
    assert (digits.card.held_out, digits.card.held_out_images) == (which, len(held_out.images)) == (which, 1000)
    assert digits.card.training_images == len(learned.images) == 4000
    one_image = 1 / len(held_out.images)  # on another processor, roundings may turn one
    assert accuracy(digits, held_out) == pytest.approx(digits.card.accuracy, abs=1.01 * one_image)
    assert digits.card.accuracy >= 0.985


def test_its_classes_are_the_datas(digits, mnist5k):
    assert digits.class_names == mnist5k.class_names == tuple("0123456789")


def test_28_pixels_are_what_padding_makes_of_them(digits, mnist5k):
    still = mnist5k.evaluation_images().limited(20)
    small, padded = digits(still.images), digits(still.block(range(20)).images)
    assert still.images.shape[-1] == 28
    assert torch.equal(small.features, padded.features) and torch.equal(small.logits, padded.logits)
    assert torch.equal(small.features, digits(functional.pad(still.images, (2, 2, 2, 2))).features)


def test_every_feature_tells_digits_apart(digits, mnist5k):
    features = digits(mnist5k.evaluation_images().limited(500).images).features
    assert (features.std(0) > 0.01 * features.std()).all()


def test_its_digest_stands_in_the_code_and_on_its_card(digits):
    beside = json.loads(card_file(DIGITS_FILE).read_text())
    assert digits.digest == digest_of(DIGITS_FILE, "") == DIGITS_SHA256 == beside.pop("sha256")
    assert beside | {"recalls": []} == json.loads(json.dumps(asdict(digits.card)))  # older than recalls are
    assert "name=digits" in digits.card.command and digits.card.command.startswith("python train_classifier.py ")


def test_it_comes_with_the_package_in_less_than_a_megabyte():
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())
    shipped = [path for pattern in project["tool"]["setuptools"]["package-data"]["saddlepoint"]
               for path in PACKAGE.glob(pattern)]
    assert {DIGITS_FILE, card_file(DIGITS_FILE)} <= set(shipped)
    assert DIGITS_FILE.stat().st_size <= 1_000_000


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: b"\0" + content[1:]])
def test_a_damaged_file_of_digits_is_not_loaded(tmp_path, monkeypatch, spoil):
    monkeypatch.setattr(classifier, "read", None)
    monkeypatch.setattr(classifier, "DIGITS_FILE", tmp_path / "digits.safetensors")
    (tmp_path / "digits.safetensors").write_bytes(spoil(DIGITS_FILE.read_bytes()))
    with pytest.raises(RequestError, match=f"extractor=digits, .* is damaged, since its SHA-256 is .* {DIGITS_SHA256}"):
        Digits()


def test_colour_is_refused_with_what_to_type_instead(digits):
    with pytest.raises(RequestError) as refusal:
        digits.check(3, 32)
    assert str(refusal.value) == ("extractor=digits looks at grey images, and these have 3 channels (data.channels=3): "
                                  "type extractor=random or extractor=inception")
    digits.check(1, 28)
