"""Sets that tables are about and that are kept in memory: what is read is what torchvision reads of the same files."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets

from saddlepoint.data.memory import InMemoryImages
from saddlepoint.data.sources.cifar100 import CIFAR100
from saddlepoint.data.sources.emnist import CLASS_NAMES, EMNIST
from saddlepoint.data.sources.kmnist import KMNIST
from saddlepoint.data.sources.matlab import read_matrices
from saddlepoint.data.sources.stl10 import STL10
from saddlepoint.data.sources.svhn import SVHN
from saddlepoint.errors import RequestError
from tests.data import published
from tests.data.formats import idx_bytes, served, write_files
from tests.data.test_pickles import Runs


class Published(NamedTuple):
    """A set, in its files and in those that are downloaded."""

    kind: type[InMemoryImages]
    settings: dict
    write: Callable[[Path], None]
    write_remote: Callable[[Path], None]
    remote: str  # one of the files that are downloaded
    theirs: Callable[[Path, str], object]  # root, split -> torchvision's reader


def by_train(kind: type) -> Callable:
    return lambda root, split: kind(str(root), train=split == "train")


SETS = {
    "cifar100": Published(CIFAR100, {"channels": 3, "image_size": 32, "num_classes": 100}, published.write_cifar100,
                          published.write_cifar100_archive, "cifar-100-python.tar.gz", by_train(datasets.CIFAR100)),
    "svhn": Published(SVHN, {"channels": 3, "image_size": 32, "num_classes": 10}, published.write_svhn,
                      published.write_svhn, "test_32x32.mat", lambda root, split: datasets.SVHN(str(root), split)),
    "stl10": Published(STL10, {"channels": 3, "image_size": 96, "num_classes": 10}, published.write_stl10,
                       published.write_stl10_archive, "stl10_binary.tar.gz",
                       lambda root, split: datasets.STL10(str(root), split)),
    "kmnist": Published(KMNIST, {"channels": 1, "image_size": 28, "num_classes": 10}, published.write_kmnist,
                        published.write_kmnist_archives, "train-labels-idx1-ubyte.gz", by_train(datasets.KMNIST)),
    "emnist": Published(EMNIST, {"channels": 1, "image_size": 28, "num_classes": 47}, published.write_emnist,
                        published.write_emnist_archive, "gzip.zip",
                        lambda root, split: datasets.EMNIST(str(root), "balanced", train=split == "train")),
}
each_set = pytest.mark.parametrize("name", SETS)


def opened(name: str, root: Path, **changes) -> InMemoryImages:
    settings = {"batch_size": 4, "name": name, "root": str(root)} | SETS[name].settings | changes
    return SETS[name].kind(**settings)


@pytest.fixture(autouse=True)
def any_checksum(monkeypatch):
    """torchvision reads files of other checksums than the genuine ones."""
    for kind in (datasets.CIFAR10, datasets.SVHN, datasets.STL10):
        monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setitem(datasets.CIFAR100.meta, "md5", None)


def as_torchvision_has_them(theirs) -> tuple[torch.Tensor, list[int]]:
    images, labels = zip(*(theirs[i] for i in range(len(theirs))), strict=True)
    pixels = numpy.stack([numpy.atleast_3d(numpy.asarray(image)) for image in images])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), [*labels]


@each_set
def test_pixels_and_labels_are_those_that_torchvision_reads(name, tmp_path):
    SETS[name].write(tmp_path)
    data = opened(name, tmp_path)
    data.prepare_data()
    data.setup("fit")
    for split in ("train", "test"):
        images, labels = as_torchvision_has_them(SETS[name].theirs(tmp_path, split))
        ours = data.evaluation_images(split)
        assert torch.equal(ours.images, images.mT if name == "emnist" else images)  # theirs lie on their side
        assert ours.labels.tolist() == labels


@pytest.fixture
def remote(tmp_path, monkeypatch, request):
    """Serves the files of a set, with their checksums, on this machine; yields the folder that is served."""
    folder = tmp_path / "server"
    SETS[request.param].write_remote(folder)
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    with served(folder) as address:
        for kind in (datasets.CIFAR100, datasets.STL10):
            monkeypatch.setattr(kind, "url", address + kind.filename)
            monkeypatch.setattr(kind, "tgz_md5", sums.get(kind.filename))
        monkeypatch.setattr(datasets.EMNIST, "url", address + "gzip.zip")
        monkeypatch.setattr(datasets.EMNIST, "md5", sums.get("gzip.zip"))
        monkeypatch.setattr(datasets.KMNIST, "mirrors", [address])
        monkeypatch.setattr(datasets.KMNIST, "resources", list(sums.items()))
        monkeypatch.setattr(datasets.SVHN, "split_list", {
            name.split("_")[0]: [address + name, name, md5] for name, md5 in sums.items()})
        yield folder


@pytest.mark.parametrize(("name", "remote"), [(name, name) for name in SETS], indirect=["remote"], ids=SETS)
def test_absent_files_are_downloaded_if_their_checksums_are_right(name, remote, tmp_path):
    SETS[name].write(tmp_path / "here")
    data, root = opened(name, tmp_path / "root"), tmp_path / "root"
    data.prepare_data()
    data.prepare_data()  # nothing more to do
    for split in ("train", "test"):
        assert torch.equal(data.images(split), opened(name, tmp_path / "here").images(split))
    for path in remote.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(RequestError, match=f"data={name} are not in data.root=.*Put .*{SETS[name].remote}"):
        opened(name, tmp_path / "other").prepare_data()
    assert [*(tmp_path / "other").iterdir()] == []
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


@each_set
def test_without_files_or_a_connection_the_refusal_says_what_to_put_where(name, tmp_path):
    with pytest.raises(RequestError, match=f"data={name} are not in data.root={tmp_path} .*Put "):
        opened(name, tmp_path).setup("fit")


# Files of each set, how they are spoilt, and what is said of them.
def cut(content: bytes) -> bytes:
    return content[:-7]


DAMAGED = [
    ("cifar100", "cifar-100-python/train", cut, "it is not a pickle that can be read"),
    ("cifar100", "cifar-100-python/train", lambda _: pickle.dumps({"data": published.pixels(20, 3072)}),
     "it has 20 images and 0 fine labels"),
    ("cifar100", "cifar-100-python/meta", lambda _: pickle.dumps({"fine_label_names": 3}),
     "its `fine_label_names` are not a list of names"),
    ("svhn", "train_32x32.mat", cut, "it ends inside what is compressed"),
    ("svhn", "train_32x32.mat", lambda content: content[:60], "it is not a MATLAB file"),
    ("svhn", "train_32x32.mat", lambda _: b"", "it is not a MATLAB file"),
    ("svhn", "train_32x32.mat", lambda content: content[:9000] + b"?" + content[9001:], "Error -3 while decompressing"),
    ("svhn", "train_32x32.mat", lambda _: b"<html>not found</html>" * 20, "it is not a MATLAB file"),
    ("svhn", "train_32x32.mat", lambda _: b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 9,
     "it is a MATLAB file of version 7.3, and one of version 7 is needed"),
    ("stl10", "stl10_binary/train_X.bin", cut, "its 552,953 bytes are not a whole number of images of 27,648"),
    ("stl10", "stl10_binary/train_X.bin", lambda _: b"", "its 0 bytes are not"),
    ("stl10", "stl10_binary/train_y.bin", cut, "it has 13 labels, but train_X.bin has 20 images"),
    ("stl10", "stl10_binary/train_y.bin", lambda _: bytes(20), "it has labels from 0 to 0, and those .* are 1 to 10"),
    ("kmnist", "KMNIST/raw/train-images-idx3-ubyte", cut, "7 of the 23,520 bytes .* are missing"),
    ("emnist", "EMNIST/raw/emnist-balanced-train-images-idx3-ubyte", cut, "7 of the 23,520 bytes .* are missing"),
    ("emnist", "EMNIST/raw/emnist-balanced-train-labels-idx1-ubyte", lambda _: idx_bytes(numpy.full(30, 47)),
     "it has the label 47, and those of data.characters=balanced are 0 to 46"),
]


@pytest.mark.parametrize(("name", "file", "spoil", "sentence"), DAMAGED)
def test_a_damaged_file_is_named_with_what_is_wrong(name, file, spoil, sentence, tmp_path):
    SETS[name].write(tmp_path)
    path = tmp_path / file
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(RequestError, match=f"{path} is damaged: {sentence}"):
        opened(name, tmp_path).setup("fit")


@pytest.mark.parametrize(("matrices", "sentence"), [
    ({"X": published.pixels(32, 32, 3, 5)}, "it has no matrix y"),
    ({"X": published.pixels(32, 32, 3, 5), "y": numpy.ones((4, 1), numpy.uint8)},
     r"its X is uint8 \[32, 32, 3, 5\] and its y \[4, 1\]"),
    ({"X": published.pixels(32, 32, 5), "y": numpy.ones((5, 1), numpy.uint8)}, r"its X is uint8 \[32, 32, 5\]"),
    ({"X": published.pixels(32, 32, 3, 2) / 255, "y": numpy.ones((2, 1), numpy.uint8)}, "its X is float64"),
    ({"X": published.pixels(32, 32, 3, 2) * 1j, "y": numpy.ones((2, 1), numpy.uint8)}, "its X is not a matrix of real"),
    ({"X": numpy.array([[{"a": 1}]], object), "y": numpy.ones((1, 1), numpy.uint8)}, "its X is not a matrix of real"),
    ({"X": "text", "y": numpy.ones((1, 1), numpy.uint8)}, "its X is not a matrix of real numbers"),
    ({"X": published.pixels(32, 32, 3, 2), "y": numpy.array([[1], [11]], numpy.uint8)}, "its y has other numbers than"),
    ({"X": published.pixels(32, 32, 3, 2), "y": numpy.array([[1], [1.5]])}, "its y has other numbers than the classes"),
])
def test_matrices_that_are_not_those_of_svhn_are_refused(matrices, sentence, tmp_path):
    savemat(tmp_path / "train_32x32.mat", matrices)
    with pytest.raises(RequestError, match=f"train_32x32.mat is damaged: .*{sentence}"):
        opened("svhn", tmp_path).setup("fit")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "float32", "float64", "uint8"])
def test_matrices_of_every_kind_of_numbers_are_read_as_scipy_wrote_them(kind, compressed, tmp_path):
    written = {"long_name": published.pixels(2, 3, 4, 5).astype(kind), "m": numpy.array([[3, 7]], kind),
               "other": numpy.array(["text"], object)}
    savemat(tmp_path / "some.mat", written, do_compression=compressed)
    read = read_matrices(tmp_path / "some.mat", ("m", "long_name", "absent"))
    assert read.keys() == {"m", "long_name"}
    for name, matrix in read.items():
        assert matrix.dtype == written[name].dtype
        numpy.testing.assert_array_equal(matrix, written[name])


def test_a_damaged_matlab_file_ends_no_process(tmp_path):
    """as scipy's reader does, whatever is wrong with the file: every byte of its headers is changed in turn"""
    published.write_svhn(tmp_path, ("train",), compressed=False)
    path = tmp_path / "train_32x32.mat"
    content, refused = path.read_bytes(), 0
    for place in range(116, 192):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xC1]) + content[place + 1:])
        try:
            opened("svhn", tmp_path).read("train")
        except RequestError as error:
            assert f"{path} is damaged: " in str(error)
            refused += 1
    assert refused > 40


def test_a_pickle_of_cifar100_that_runs_something_is_refused_and_runs_nothing(tmp_path):
    published.write_cifar100(tmp_path)
    marker, train = tmp_path / "it ran", tmp_path / "cifar-100-python" / "train"
    train.write_bytes(pickle.dumps({"data": Runs(os.system, f"touch '{marker}'")}))
    with pytest.raises(RequestError, match="train is damaged: it asks for .*nothing of it was run"):
        opened("cifar100", tmp_path).setup("fit")
    assert not marker.exists()


@pytest.mark.parametrize(("kind", "names"), [("fine", published.FINE), ("coarse", published.COARSE)])
def test_both_labels_of_cifar100_come_from_both_forms(kind, names, tmp_path):
    write_files(tmp_path / "python", published.cifar100_python_files())
    write_files(tmp_path / "binary" / "cifar-100-binary", published.cifar100_binary_files())
    for form in ("python", "binary"):
        data = opened("cifar100", tmp_path / form, labels=kind, num_classes=len(names))
        for split, part in published.cifar100_parts().items():
            read = data.read(split)
            assert read.labels.tolist() == part[f"{kind}_labels"]
            assert torch.equal(read.images.flatten(1), torch.from_numpy(part["data"]))
            assert read.class_names == names


def test_the_digit_zero_of_svhn_is_class_zero(tmp_path):
    published.write_svhn(tmp_path)
    data = opened("svhn", tmp_path)
    data.setup("fit")
    assert data.read("train").labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert data.class_names == tuple("0123456789")


def test_extra_digits_are_a_part_of_svhn(tmp_path):
    published.write_svhn(tmp_path, ("train", "test", "extra"), compressed=False)
    parts = {part: opened("svhn", tmp_path, part=part).images() for part in ("train", "extra", "train+extra")}
    assert torch.equal(parts["train+extra"], torch.cat([parts["train"], parts["extra"]]))
    theirs, _ = as_torchvision_has_them(datasets.SVHN(str(tmp_path), "extra"))
    assert torch.equal(parts["extra"], theirs)
    assert torch.equal(opened("svhn", tmp_path, part="extra").images("test"), opened("svhn", tmp_path).images("test"))


def test_the_unlabelled_images_are_a_part_of_stl10(tmp_path):
    published.write_stl10(tmp_path)
    for part, theirs in (("unlabelled", "unlabeled"), ("train+unlabelled", "train+unlabeled")):
        data = opened("stl10", tmp_path, part=part, num_classes=0)
        assert torch.equal(data.images(), as_torchvision_has_them(datasets.STL10(str(tmp_path), theirs))[0])
        assert torch.equal(data.images("test"), opened("stl10", tmp_path).images("test"))
    with pytest.raises(ValueError, match="data.part=unlabelled has images without classes.*type data.num_classes=0"):
        opened("stl10", tmp_path, part="unlabelled")


@pytest.mark.parametrize("characters", CLASS_NAMES)
def test_each_choice_of_emnist_has_its_own_classes(characters, tmp_path):
    published.write_emnist(tmp_path, characters)
    theirs = datasets.EMNIST(str(tmp_path), characters)
    ours = opened("emnist", tmp_path, characters=characters, num_classes=0).read("train")
    assert ours.class_names == tuple(theirs.classes[1:] if characters == "letters" else theirs.classes)
    assert [ours.class_names[label] for label in ours.labels.tolist()] == [theirs.classes[target]
                                                                           for target in theirs.targets.tolist()]
