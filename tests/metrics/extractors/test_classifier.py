"""Classifiers of users, as files."""

import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional
from safetensors.torch import load_file, save_file

from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.downloads import digest_of
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.classifier import DIGITS_FILE, RESERVED, Classifier
from saddlepoint.metrics.extractors.classifier_files import read, write
from saddlepoint.metrics.extractors.classifier_network import seeded_network
from tests.metrics.extractors.examples import card, noise, write_classifier


@pytest.fixture
def weights(tmp_path) -> Path:
    return write_classifier(tmp_path / "tiny.safetensors")


def test_a_file_says_everything_about_itself(weights):
    loaded = Classifier(str(weights))
    assert (loaded.name, loaded.class_names, loaded.num_classes) == ("tiny", ("left", "right"), 2)
    assert loaded.digest == digest_of(weights, "")
    assert loaded.resize == "28 x 28 padded with black, other sizes bilinear, antialiased, to 32 x 32"
    unpadded = write_classifier(weights.with_name("other.safetensors"), padded_from=None)
    assert Classifier(str(unpadded)).resize == "bilinear, antialiased, to 32 x 32"


def test_what_is_written_is_what_is_read_to_half_precision(tmp_path):
    network, described = seeded_network(3, 5, seed=1), card(channels=3, class_names=tuple("abcde"), image_size=48)
    write(tmp_path / "file.safetensors", described, network)
    found, loaded = read(tmp_path / "file.safetensors", "it")
    assert found == described
    for name, weight in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float())


def test_an_uneven_border_is_the_data_modules(tmp_path):
    weights = write_classifier(tmp_path / "tiny.safetensors", image_size=33, padded_from=28)
    images = noise(2, 1, 28)
    prepared = Classifier(str(weights)).prepare(images)
    data = MNIST5k(name="mnist5k", channels=1, image_size=33, num_classes=10, batch_size=2)
    padded = functional.pad(images.float(), data._padding_of(images))
    torch.testing.assert_close(prepared, padded / 127.5 - 1)


def test_other_channels_are_refused_with_the_name_on_the_card(tmp_path):
    weights = write_classifier(tmp_path / "tiny.safetensors", channels=3, padded_from=None)
    with pytest.raises(RequestError, match=r"^extractor=classifier \(tiny\) looks at RGB .* have 1 channel "):
        Classifier(str(weights)).check(1, 32)


def test_without_a_file_it_says_how_to_make_one():
    with pytest.raises(RequestError, match="needs extractor.weights=FILE, made by python train_classifier.py"):
        Classifier(None)


@pytest.mark.parametrize("name", RESERVED)
def test_names_of_other_extractors_are_refused(tmp_path, name):
    weights = write_classifier(tmp_path / "file.safetensors", name=name)
    with pytest.raises(RequestError, match=f"extractor.weights={weights} has the name {name}, .* name=my_{name}$"):
        Classifier(str(weights))


def test_a_copy_of_digits_is_no_classifier_of_a_user(tmp_path):
    shutil.copy(DIGITS_FILE, tmp_path / "mine.safetensors")
    with pytest.raises(RequestError, match="has the name digits"):
        Classifier(str(tmp_path / "mine.safetensors"))


def foreign(path: Path, described: object, **weights) -> None:
    save_file({"weight": torch.zeros(1), **weights}, path, metadata={"card": json.dumps(described)})


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), ""),
    (lambda path: path.write_bytes(path.read_bytes()[:100]), ""),
    (lambda path: path.write_bytes(b""), ""),
    (lambda path: path.write_bytes(b"<html>not found</html>"), ""),
    (lambda path: torch.save({"weight": torch.zeros(1)}, path), ""),
    (lambda path: save_file({"weight": torch.zeros(1)}, path), "missing 13 required"),
    (lambda path: save_file(load_file(path), path, metadata={"card": "{"}), "Expecting property name"),
    (lambda path: foreign(path, [1, 2]), "must be a mapping"),
    (lambda path: foreign(path, asdict(card())), "(its weights are not those of its card)"),
    (lambda path: foreign(path, asdict(card()) | {"name": "../x"}), "name=../x must consist of"),
    (lambda path: foreign(path, asdict(card()) | {"name": 5}), "expected string"),
    (lambda path: foreign(path, asdict(card()) | {"channels": 2}), "no classifier of 2 channels and 32 pixels"),
    (lambda path: foreign(path, asdict(card()) | {"image_size": 10**9}), "1 channels and 1000000000 pixels"),
    (lambda path: foreign(path, asdict(card()) | {"padded_from": 32}), "padded_from=32 is not below image_size=32"),
    (lambda path: foreign(path, asdict(card()) | {"class_names": 3}), "not iterable"),
    (lambda path: foreign(path, asdict(card()) | {"surprise": 3}), "surprise"),
])
def test_a_damaged_or_foreign_file_is_one_sentence(weights, spoil, why):
    spoil(weights)
    with pytest.raises(RequestError) as refusal:
        Classifier(str(weights))
    said = str(refusal.value)
    assert said.startswith(f"extractor.weights={weights} is damaged or was not written by train_classifier.py (")
    assert why in said and len(said.splitlines()) == 1


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "gone.safetensors", "No such file or directory")):
        with pytest.raises(RequestError, match=f"extractor.weights={path} cannot be read: {why}"):
            Classifier(str(path))


def test_no_change_of_bytes_gets_past_the_refusals(weights):
    """In the header, which says what the rest means; some changes leave a file that is another good one."""
    good, source = weights.read_bytes(), random.Random(0)
    header, refused = int.from_bytes(good[:8], "little"), 0
    for _ in range(200):
        content = bytearray(good)
        for _ in range(source.choice((1, 2, 8))):
            content[source.randrange(header + 8)] = source.randrange(256)
        weights.write_bytes(content)
        try:
            Classifier(str(weights))
        except RequestError:
            refused += 1
    assert refused > 100
