import gzip
import hashlib
import socket
import struct

import numpy
import pytest
import torch
from torchvision import datasets

from saddlepoint.data.sources import downloading
from saddlepoint.data.sources.mnist import MNIST, FashionMNIST
from saddlepoint.errors import RequestError
from tests.data.formats import idx_bytes, served, write_idx


def mnist(root, kind=MNIST, **changes):
    settings = {"name": "mnist", "channels": 1, "image_size": 28, "num_classes": 10, "batch_size": 5} | changes
    return kind(root=str(root), **settings)


@pytest.mark.parametrize("folder", [".", "MNIST/raw"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dash", ["-", "."])
def test_files_are_read_under_all_their_names_and_in_both_places(tmp_path, folder, zipped, dash):
    images, labels = write_idx(tmp_path / folder, zipped=zipped, dash=dash)
    data = mnist(tmp_path)
    data.prepare_data()
    data.setup("fit")
    assert torch.equal(data.images(), torch.from_numpy(images).unsqueeze(1))
    assert data.read("train").labels.tolist() == labels.tolist()
    assert data.num_images == 30
    assert data.class_names == tuple("0123456789")


def test_fashion_mnist_has_its_own_folder_and_names(tmp_path):
    images, _ = write_idx(tmp_path / "FashionMNIST" / "raw")
    data = mnist(tmp_path, kind=FashionMNIST)
    data.setup("fit")
    assert torch.equal(data.images(), torch.from_numpy(images).unsqueeze(1))
    assert data.class_names[9] == "Ankle boot"


def test_the_content_decides_whether_a_file_is_gzipped(tmp_path):
    images, _ = write_idx(tmp_path, zipped=False)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name + ".gz"))  # as browsers save them
    assert torch.equal(mnist(tmp_path).images(), torch.from_numpy(images).unsqueeze(1))


def test_torchvision_reads_the_same_from_its_own_layout(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw", zipped=False)
    write_idx(tmp_path / "MNIST" / "raw", zipped=False, prefix="t10k", count=10, seed=1)
    theirs = datasets.MNIST(str(tmp_path), train=False)
    ours = mnist(tmp_path).read("test")
    assert torch.equal(ours.images.squeeze(1), theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_test_images_are_read_when_asked_for_and_not_before(tmp_path):
    write_idx(tmp_path)
    data = mnist(tmp_path)
    data.prepare_data()
    data.setup("fit")
    with pytest.raises(RequestError, match="data=mnist are not in data.root=.*t10k-images-idx3-ubyte.gz"):
        data.images("test")
    images, _ = write_idx(tmp_path, prefix="t10k", count=10, seed=1)
    assert torch.equal(data.images("test"), torch.from_numpy(images).unsqueeze(1))
    with pytest.raises(RequestError, match="data=mnist has no val images, only train and test"):
        data.images("val")


def test_other_sizes_and_more_classes_are_read_as_they_are(tmp_path):
    write_idx(tmp_path, size=12)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(numpy.arange(30) % 27)))
    data = mnist(tmp_path, image_size=12, num_classes=27)
    data.setup("fit")
    assert data.images().shape == (30, 1, 12, 12)
    assert data.class_names == tuple(map(str, range(27)))
    with pytest.raises(RequestError, match="data.num_classes=10, but data=mnist has 27 classes"):
        mnist(tmp_path, image_size=12).setup("fit")


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
GOOD = idx_bytes(numpy.zeros((30, 28, 28)))


@pytest.mark.parametrize(("name", "content", "sentence"), [
    (IMAGES, GOOD[:-1], f"{IMAGES} is damaged: 1 of the 23,520 bytes .* missing at its end"),
    (IMAGES, GOOD + b"x", f"{IMAGES} is damaged: it goes on after the 23,520 bytes"),
    (IMAGES, GOOD[:9], f"{IMAGES} is damaged: it ends inside its header"),
    (IMAGES, b"", f"{IMAGES} is damaged: its first bytes are missing"),
    (IMAGES, b"<html>not found", f"{IMAGES} is damaged: its first bytes are 3c 68 74 6d"),
    (IMAGES, GOOD[:3] + b"\1" + GOOD[4:], f"{IMAGES} is damaged: .*00 00 08 01.* in 3 dimensions are 00 00 08 03"),
    (IMAGES, GOOD[:4] + struct.pack(">3I", 2**31, 28, 28) + GOOD[16:], f"{IMAGES} is damaged: its header promises"),
    (IMAGES, GOOD[:4] + struct.pack(">3I", 0, 28, 28), f"{IMAGES} is damaged: its header promises 0"),
    (IMAGES, gzip.compress(GOOD, mtime=0)[:-30], f"{IMAGES} is damaged: "),
    (IMAGES, gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), f"{IMAGES} is damaged: CRC"),
    (IMAGES, b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 40, f"{IMAGES} is damaged: "),
    (LABELS, idx_bytes(numpy.zeros(29)), f"{IMAGES} has 30 images, but .*{LABELS} has 29 labels"),
    (LABELS, GOOD, f"{LABELS} is damaged: "),
])
def test_a_damaged_file_is_named(tmp_path, name, content, sentence):
    write_idx(tmp_path, zipped=False)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=sentence):
        mnist(tmp_path).setup("fit")


@pytest.mark.parametrize(("missing", "present"), [(IMAGES, LABELS), (LABELS, IMAGES)])
def test_half_a_pair_is_not_completed_from_the_internet(tmp_path, missing, present):
    write_idx(tmp_path, zipped=False)
    (tmp_path / missing).unlink()
    data = mnist(tmp_path)
    data.prepare_data()  # the local pair may be somebody's own: MNIST's labels would not belong to these images
    with pytest.raises(RequestError, match=f"{present} is there, but {missing} is not"):
        data.setup("fit")


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """Serves MNIST's four files, with their checksums, on this machine; yields the folder that is served."""
    folder = tmp_path / "server"
    write_idx(folder)
    write_idx(folder, prefix="t10k", count=10)
    sums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir())]
    with served(folder) as address:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [address + "closed/", address])
        monkeypatch.setattr(datasets.MNIST, "resources", sums)
        yield folder


def test_absent_files_are_downloaded_from_the_first_mirror_that_has_them(tmp_path, remote):
    root = tmp_path / "some where" / "mnist"
    data = mnist(root)
    data.prepare_data()
    data.setup("fit")
    assert data.num_images == 30
    assert len(data.images("test")) == 10
    assert sorted(path.name for path in root.iterdir()) == sorted(path.name for path in remote.iterdir())


def test_files_that_are_there_are_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "download_url", None)
    write_idx(tmp_path)
    mnist(tmp_path).prepare_data()


@pytest.mark.parametrize("spoil", [
    lambda folder: (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"corrupt"),
    lambda folder: (folder / "train-labels-idx1-ubyte.gz").unlink(),
])
def test_a_failed_download_leaves_nothing_and_says_which_files_to_put_where(tmp_path, remote, spoil):
    spoil(remote)
    root = tmp_path / "mnist"
    with pytest.raises(RequestError) as refusal:
        mnist(root).prepare_data()
    assert f"not in data.root={root}" in str(refusal.value)
    assert "Put t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz, train-images-idx3-ubyte.gz" in str(refusal.value)
    assert "data=mnist5k needs no download" in str(refusal.value)
    assert list(root.iterdir()) == []


def test_without_a_connection_the_refusal_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens at the discard port
    with pytest.raises(RequestError, match="Connection refused.*Put train-images-idx3-ubyte.gz"):
        mnist(tmp_path).prepare_data()
    with pytest.raises(RequestError, match="no file there has one of these names.*Put train-images-idx3-ubyte.gz"):
        mnist(tmp_path).setup("fit")


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch, silent_server):
    monkeypatch.setattr(downloading, "SILENCE", 0.2)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [silent_server])
    with pytest.raises(RequestError, match="timed out"):
        mnist(tmp_path).prepare_data()


@pytest.fixture
def silent_server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RequestError, match="a download could not be stored"):
        mnist(tmp_path / "file").prepare_data()
    with pytest.raises(RequestError, match="a download could not be stored"):
        mnist(tmp_path / "file" / "mnist").prepare_data()


@pytest.mark.parametrize(("labels", "names"), [
    (range(1, 27), map(str, range(1, 27))),  # EMNIST's letters, counted from 1
    (range(12), map(str, range(12))),
    (range(1, 10), "0123456789"),  # digits, of which one is missing
])
def test_labels_that_count_from_1_make_as_many_classes_as_there_are(tmp_path, labels, names):
    images = numpy.zeros((len(labels), 28, 28), numpy.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(numpy.array(labels, numpy.uint8)))
    names = tuple(names)
    if len(names) != 10:
        with pytest.raises(RequestError, match=f"type data.num_classes={len(names)}, or 0"):
            mnist(tmp_path).setup("fit")
    data = mnist(tmp_path, num_classes=len(names))  # as the refusal says
    data.setup("fit")
    assert data.class_names == names
    names_of_images = [data.class_names[label] for label in data.evaluation_images("train").labels.tolist()]
    assert names_of_images == list(map(str, labels))
    assert data.class_counts.tolist() == [int(name in names_of_images) for name in names]
