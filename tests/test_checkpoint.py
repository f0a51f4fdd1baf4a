"""Files are whole or absent, verified before they are read, and run nothing."""

import os
import pickle
import zipfile

import pytest
import torch

from saddlepoint import checkpoint
from saddlepoint.errors import RequestError

CONTENT = {"weights": torch.arange(1000.0), "settings": {"a": [1, 2.5, "x", None, True]}, "images_seen": 7}


@pytest.fixture
def path(tmp_path):
    checkpoint.save(tmp_path / "checkpoints" / "last.ckpt", CONTENT)
    return tmp_path / "checkpoints" / "last.ckpt"


def test_what_is_saved_is_loaded(path):
    loaded = checkpoint.load(path)
    assert torch.equal(loaded.pop("weights"), CONTENT["weights"])
    assert loaded == {name: value for name, value in CONTENT.items() if name != "weights"}


def test_torch_reads_it_too(path):
    assert torch.load(path, weights_only=True)["images_seen"] == 7
    assert zipfile.is_zipfile(path)


def test_only_the_file_is_left(path):
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("place", [0, 10, 100, 1000, 3000, -1, -30, -70, -75, -100])
def test_one_changed_byte_is_found(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(RequestError, match="last.ckpt is damaged"):
        checkpoint.load(path)


@pytest.mark.parametrize("length", [0, 1, 71, 72, 500, -1])
def test_a_truncated_file_is_found(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RequestError, match="last.ckpt is damaged"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RequestError, match="gone.ckpt is not there"):
        checkpoint.load(tmp_path / "gone.ckpt")


class Hostile:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_with_code_is_refused_and_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    checkpoint.save(tmp_path / "hostile.ckpt", {"settings": Hostile(f"touch {marker}")})
    with pytest.raises(RequestError, match="hostile.ckpt is refused"):
        checkpoint.load(tmp_path / "hostile.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Hostile(f"touch {marker}")))
    with pytest.raises(RequestError):
        checkpoint.load(tmp_path / "plain.ckpt")
    assert not marker.exists()


def test_an_interrupted_writing_leaves_the_old_file(path, monkeypatch):
    def die(content, file):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, {"images_seen": 8})
    monkeypatch.undo()
    assert checkpoint.load(path)["images_seen"] == 7
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]
