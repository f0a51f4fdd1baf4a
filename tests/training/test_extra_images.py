"""More images for a classifier: from a folder, and by repetition."""

import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.errors import RequestError
from saddlepoint.training.extra_images import Examples, oversampled, with_extra

DIGITS = {"name": "mnist5k", "channels": 1, "num_classes": 10, "batch_size": 4, "subset_size": 20}


@pytest.fixture(scope="module")
def data() -> MNIST5k:
    made = MNIST5k(image_size=32, **DIGITS)
    made.setup("fit")
    return made


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(*names: str, size: int = 28) -> None:
    """Writes grey images, of which the n-th has n at each place."""
    for level, name in enumerate(names):
        Path("more", name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (size, size), level).save(Path("more", name))


def numbered(*labels: int) -> Examples:
    """Images of one pixel, which is their number."""
    return Examples(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), torch.tensor(labels))


def test_images_of_a_folder_follow_with_the_classes_of_their_folders(data):
    write("3/a.png", "3/b.png", "7/a.png")
    own = Examples(torch.full((2, 1, 32, 32), 9, dtype=torch.uint8), torch.tensor([1, 2]))
    training, count = with_extra(own, "more", data)
    assert count == 3 and training.labels.tolist() == [1, 2, 3, 3, 7]
    assert torch.equal(training.images[:2], own.images) and training.images.shape == (5, 1, 32, 32)
    assert training.images[2:].amax((1, 2, 3)).tolist() == [0, 1, 2]
    assert training.images[4, 0, :2].max() == 0 and training.images[4, 0, 2:30, 2:30].min() == 2  # padded as the data


@pytest.mark.parametrize(("names", "sentence"), [
    (["eleven/a.png"], "extra=more has the folder eleven, and the classes of the data are 0, 1, 2"),
    (["a.png"], "extra=more has a.png in no folder of a class"),
])
def test_folders_that_are_no_classes_are_refused(data, names, sentence):
    write(*names)
    with pytest.raises(RequestError) as refusal:
        with_extra(numbered(0), "more", data)
    assert sentence in str(refusal.value)


def test_a_folder_that_two_classes_have_is_refused(data, monkeypatch):
    monkeypatch.setattr(data, "class_names", ("a/b", "c", "a_b"))
    write("a_b/a.png")
    with pytest.raises(RequestError, match="extra=more has the folder a_b, and the data have 2 classes whose folder"):
        with_extra(numbered(0), "more", data)


def test_an_archive_is_refused(data):
    with zipfile.ZipFile("more.zip", "w") as archive:
        archive.writestr("3/a.png", b"")
    with pytest.raises(RequestError, match="extra=more.zip must be a folder .*unpack an archive first"):
        with_extra(numbered(0), "more.zip", data)


def test_a_file_that_cannot_be_read_is_refused(data):
    write("3/a.png", "3/b.png")
    Path("more/3/b.png").write_bytes(b"no image")
    with pytest.raises(RequestError, match="more/3/b.png cannot be read: mend or remove it"):
        with_extra(numbered(0), "more", data)


def test_rare_classes_are_repeated_in_turn_until_all_are_as_large():
    training = oversampled(numbered(0, 1, 1, 1, 1, 1, 0, 2), ("a", "b", "c"))
    assert training.labels.bincount().tolist() == [5, 5, 5]
    numbers = training.images.flatten()
    assert numbers[training.labels == 0].tolist() == [0, 6, 0, 6, 0]
    assert numbers[training.labels == 1].tolist() == [1, 2, 3, 4, 5]
    assert numbers[training.labels == 2].tolist() == [7] * 5


def test_a_rare_class_without_an_image_is_refused():
    with pytest.raises(RequestError, match="oversample=true repeats .* and class b has none: give it some with extra="):
        oversampled(numbered(0, 2, 2), ("a", "b", "c"))
