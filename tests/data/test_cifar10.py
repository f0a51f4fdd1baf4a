import hashlib
import pickle

import numpy
import pytest
import torch
from torchvision import datasets

from saddlepoint.data.sources.cifar10 import CIFAR10
from saddlepoint.errors import RequestError
from tests.data.formats import (
    CIFAR_CLASSES,
    cifar10_binary_files,
    cifar10_parts,
    cifar10_python_files,
    served,
    write_cifar10,
    write_files,
    write_tarball,
)

PARTS = cifar10_parts(12)
TRAIN = torch.from_numpy(numpy.concatenate([PARTS[f"data_batch_{i}"][0] for i in range(1, 6)])).view(-1, 3, 32, 32)
TEST = torch.from_numpy(PARTS["test_batch"][0]).view(-1, 3, 32, 32)


def cifar10(root, **changes) -> CIFAR10:
    settings = {"channels": 3, "image_size": 32, "num_classes": 10, "batch_size": 5} | changes
    return CIFAR10(root=str(root), name="cifar10", **settings)


def assert_is_the_set(root):
    data = cifar10(root)
    data.prepare_data()
    data.setup("fit")
    assert torch.equal(data.images(), TRAIN)
    assert torch.equal(data.images("test"), TEST)
    assert data.read("train").labels.tolist() == [i % 10 for _ in range(5) for i in range(12)]
    assert data.class_names == CIFAR_CLASSES


@pytest.mark.parametrize("folder", [".", "cifar-10-batches-py"])
@pytest.mark.parametrize("zipped", [True, False])
def test_python_batches_are_read(tmp_path, folder, zipped):
    write_files(tmp_path / folder, cifar10_python_files(PARTS), zipped)
    assert_is_the_set(tmp_path)


@pytest.mark.parametrize("folder", [".", "cifar-10-batches-bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_binary_batches_are_read(tmp_path, folder, zipped):
    write_files(tmp_path / folder, cifar10_binary_files(PARTS), zipped)
    assert_is_the_set(tmp_path)


@pytest.mark.parametrize(("archive", "folder", "files"), [
    ("cifar-10-python.tar.gz", "cifar-10-batches-py", cifar10_python_files),
    ("cifar-10-binary.tar.gz", "cifar-10-batches-bin", cifar10_binary_files),
    ("cifar-10-python.tar", "cifar-10-batches-py", cifar10_python_files),
])
def test_the_archives_are_read_as_they_come(tmp_path, archive, folder, files):
    contents = files(PARTS)
    write_tarball(tmp_path / archive, folder, dict(reversed(contents.items())))  # in whatever order they were packed
    assert_is_the_set(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [archive]


def test_the_stand_in_for_genuine_files_is_what_torchvision_reads(tmp_path, monkeypatch):
    write_cifar10(tmp_path, 12)
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setitem(datasets.CIFAR10.meta, "md5", None)
    theirs = datasets.CIFAR10(str(tmp_path))
    assert torch.equal(torch.from_numpy(theirs.data).permute(0, 3, 1, 2), TRAIN)
    assert tuple(theirs.classes) == CIFAR_CLASSES
    first = (tmp_path / "cifar-10-batches-py" / "data_batch_1").read_bytes()
    assert first.startswith(b"\x80\x02}q\x00(U\x04data")  # protocol 2, a dictionary, a byte string: Python 2's hand
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in first


PIXELS = PARTS["data_batch_2"][0]


@pytest.mark.parametrize(("content", "sentence"), [
    (pickle.dumps({"data": PIXELS, "labels": [0] * 12})[:-40], "it is not a pickle that can be read"),
    (b"", "it is not a pickle that can be read"),
    (b"<html>", "it is not a pickle that can be read"),
    (pickle.dumps([1, 2]), "it holds a list where a dictionary belongs"),
    (pickle.dumps({"labels": [0] * 12}), "its `data` is not an array of N x 3072 unsigned bytes"),
    (pickle.dumps({"data": PIXELS.astype(float), "labels": [0] * 12}), "its `data` is not an array"),
    (pickle.dumps({"data": PIXELS[:, :-1], "labels": [0] * 12}), "its `data` is not an array"),
    (pickle.dumps({"data": PIXELS}), "it has 12 images and 0 labels"),
    (pickle.dumps({"data": PIXELS, "labels": [0] * 11}), "it has 12 images and 11 labels"),
    (pickle.dumps({"data": PIXELS[:0], "labels": []}), "it has 0 images and 0 labels"),
    (pickle.dumps({"data": PIXELS, "labels": ["cat"] * 12}), "its `labels` are not class numbers"),
    (pickle.dumps({"data": PIXELS, "labels": [[0], *[[1, 2]] * 11]}), "its `labels` are not class numbers"),
    (pickle.dumps({"data": PIXELS, "labels": [-1] * 12}), "its `labels` are not class numbers"),
    (pickle.dumps({"data": PIXELS, "labels": [256] * 12}), "its `labels` are not class numbers"),
    (pickle.dumps({"data": PIXELS, "labels": 3}), "its `labels` are not class numbers"),
])
def test_a_damaged_batch_is_named(tmp_path, content, sentence):
    write_files(tmp_path, cifar10_python_files(PARTS))
    (tmp_path / "data_batch_2").write_bytes(content)
    with pytest.raises(RequestError, match=f"data_batch_2 is damaged: {sentence}"):
        cifar10(tmp_path).setup("fit")


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: content + b"x", lambda content: b""])
def test_binary_files_are_whole_records(tmp_path, spoil):
    files = cifar10_binary_files(PARTS)
    write_files(tmp_path, files | {"data_batch_4.bin": spoil(files["data_batch_4.bin"])})
    with pytest.raises(RequestError, match="data_batch_4.bin is damaged: its .* not a whole number of records"):
        cifar10(tmp_path).setup("fit")


@pytest.mark.parametrize("names", [5, "cat", [1, 2], {"a": 1}])
def test_malformed_class_names_are_refused(tmp_path, names):
    write_files(tmp_path, cifar10_python_files(PARTS) | {"batches.meta": pickle.dumps({"label_names": names})})
    with pytest.raises(RequestError, match="batches.meta is damaged: its `label_names` are not a list of names"):
        cifar10(tmp_path).setup("fit")


def test_names_of_classes_may_be_bytes_or_absent(tmp_path):
    files = cifar10_python_files(PARTS)
    write_files(tmp_path, files | {"batches.meta": pickle.dumps({b"label_names": [b"a", *"bcdefghij"]})})
    assert cifar10(tmp_path).read("train").class_names == tuple("abcdefghij")
    (tmp_path / "batches.meta").unlink()
    assert cifar10(tmp_path).read("train").class_names == CIFAR_CLASSES


def test_a_truncated_archive_is_named(tmp_path):
    archive = tmp_path / "cifar-10-python.tar.gz"
    write_tarball(archive, "cifar-10-batches-py", cifar10_python_files(PARTS))
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(RequestError, match=f"{archive} is damaged: "):
        cifar10(tmp_path).setup("fit")


def test_an_archive_without_a_batch_is_named_with_it(tmp_path):
    files = cifar10_python_files(PARTS)
    del files["data_batch_5"]
    write_tarball(tmp_path / "cifar-10-python.tar.gz", "cifar-10-batches-py", files)
    with pytest.raises(RequestError, match="cifar-10-python.tar.gz lacks data_batch_5"):
        cifar10(tmp_path).setup("fit")


def test_an_archive_completes_a_folder_that_was_not_unpacked_to_the_end(tmp_path):
    files = cifar10_python_files(PARTS)
    write_tarball(tmp_path / "cifar-10-python.tar.gz", "cifar-10-batches-py", files)
    write_files(tmp_path / "cifar-10-batches-py", dict(list(files.items())[:3]))
    assert_is_the_set(tmp_path)


def test_absent_files_are_downloaded_as_the_archive(tmp_path, monkeypatch):
    archive = tmp_path / "server" / "cifar-10-python.tar.gz"
    write_tarball(archive, "cifar-10-batches-py", cifar10_python_files(PARTS))
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    with served(archive.parent) as address:
        monkeypatch.setattr(datasets.CIFAR10, "url", address + archive.name)
        cifar10(tmp_path / "root").prepare_data()
    assert_is_the_set(tmp_path / "root")


def test_a_corrupt_download_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "cifar-10-python.tar.gz").write_bytes(b"not what the checksum says")
    with served(tmp_path / "server") as address:
        monkeypatch.setattr(datasets.CIFAR10, "url", address + "cifar-10-python.tar.gz")
        with pytest.raises(RequestError, match="data=cifar10 are not in data.root=.*Put cifar-10-python.tar.gz there"):
            cifar10(tmp_path / "root").prepare_data()
    assert list((tmp_path / "root").iterdir()) == []


def test_other_sizes_are_resized_by_default_choice_of_the_caller(tmp_path):
    write_cifar10(tmp_path, 12)
    assert cifar10(tmp_path, image_size=16, fit="resize").images().shape == (60, 3, 16, 16)


@pytest.mark.parametrize(("folder", "missing"), [(".", "data_batch_3"), ("cifar-10-batches-py", "test_batch")])
def test_a_batch_that_is_missing_is_named(tmp_path, monkeypatch, folder, missing):
    files = cifar10_python_files(PARTS)
    write_files(tmp_path / folder, {name: content for name, content in files.items() if name != missing})
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/nobody")
    with pytest.raises(RequestError, match=f"lacks {missing}: put it there") as refused:
        data = cifar10(tmp_path)
        data.prepare_data()
        data.setup("fit")
        data.images("test")
    assert str(tmp_path / folder) in str(refused.value)
    write_files(tmp_path / folder, {missing: files[missing]})  # as it says
    assert_is_the_set(tmp_path)
