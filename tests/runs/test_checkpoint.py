"""Files are whole or absent, verified before they are read, and run nothing."""

import errno
import hashlib
import os
import pickle
import random
import resource
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.runs import checkpoint

CONTENT = {"weights": torch.arange(1000.0), "settings": {
    "a": [1, 2.5, "x", None, True], "extensions": [], "bf16": {"generator": None, "discriminator": None}},
           "images_seen": 7}


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


@pytest.mark.parametrize("seed", range(60))
def test_damage_that_somebody_signed_is_read_or_refused_in_a_sentence(path, seed):
    chance, content = random.Random(seed), bytearray(path.read_bytes()[:-64])
    start = content.find(b"data.pkl") + len(b"data.pkl")
    for place in chance.choices(range(start, start + 600), k=3):
        content[place] = chance.randrange(256)
    path.write_bytes(content + hashlib.sha256(content[:-len(b"sha256:")]).hexdigest().encode())
    try:
        checkpoint.load(path)
    except RequestError as refusal:
        assert "is damaged" not in str(refusal), "the digest held"


def test_an_interrupted_writing_leaves_the_old_file(path, monkeypatch):
    def die(content, file):
        file.write(b"half")
        raise MemoryError
    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(MemoryError):
        checkpoint.save(path, {"images_seen": 8})
    monkeypatch.undo()
    assert checkpoint.load(path)["images_seen"] == 7
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_after_it(path, monkeypatch):
    done, fsync, replace = [], os.fsync, Path.replace

    def note_fsync(handle):
        done.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        fsync(handle)

    def note_replace(self, target):
        done.append(f"{self.name} -> {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    checkpoint.save(path, CONTENT, before=lambda: checkpoint.keep_newest(path.parent, 2))
    temporary = f".last.ckpt.tmp-{os.getpid()}"
    assert done == [temporary, "last.ckpt -> last-1.ckpt", f"{temporary} -> last.ckpt", "checkpoints"]


@pytest.fixture
def small_files():
    """No file grows beyond 100 kB, as on a disk that is full"""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))  # Python ignores the signal that comes with it
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


LARGE = {"images_seen": 8, "weights": [torch.zeros(20_000), torch.zeros(55_000)]}  # 0.3 MB


def test_a_full_disk_leaves_all_files_and_says_what_is_needed(path, small_files):
    checkpoint.save(path, CONTENT | {"images_seen": 12}, before=lambda: checkpoint.keep_newest(path.parent, 2))
    with pytest.raises(DiskFull, match=r"of 12 images, is whole: make room .* resume=") as end:
        checkpoint.save(path, LARGE, before=lambda: checkpoint.keep_newest(path.parent, 2))
    assert f"{path} cannot be written: File too large" in str(end.value) and "It takes 0.3 MB" in str(end.value)
    assert [checkpoint.load(path.with_name(name))["images_seen"] for name in ("last.ckpt", "last-1.ckpt")] == [12, 7]
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["last-1.ckpt", "last.ckpt"]


def test_so_does_a_first_checkpoint(tmp_path, small_files):
    with pytest.raises(DiskFull, match="There is no checkpoint before it"):
        checkpoint.save(tmp_path / "checkpoints" / "last.ckpt", LARGE)
    assert not any((tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_only_when_it_comes_to_writing_through(number, path, monkeypatch):
    def refuse(handle):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskFull, match="of 7 images, is whole"):
        checkpoint.save(path, LARGE)
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_too_little_room_is_said_before_anything_is_written(path, monkeypatch):
    disk = shutil.disk_usage(path.parent)._replace(free=200_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: disk)
    monkeypatch.setattr(torch, "save", lambda *_: pytest.fail("it was tried"))
    with pytest.raises(DiskFull, match=r"No space left on device, 0.2 MB are free there. It takes 0.3 MB"):
        checkpoint.save(path, LARGE)
    assert checkpoint.load(path)["images_seen"] == 7


def test_an_error_that_is_no_full_disk_stays_what_it_is(path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error") as error:
        checkpoint.save(path, CONTENT)
    assert not isinstance(error.value, DiskFull)


def test_a_spoilt_file_never_takes_the_place_of_a_whole_one(path):
    for images_seen in (8, 9):
        checkpoint.save(path, {"images_seen": images_seen}, before=lambda: checkpoint.keep_newest(path.parent, 2))
    path.write_bytes(path.read_bytes()[:-1])
    checkpoint.save(path, {"images_seen": 10}, before=lambda: checkpoint.keep_newest(path.parent, 2))
    assert [checkpoint.load(path.with_name(name))["images_seen"] for name in ("last.ckpt", "last-1.ckpt")] == [10, 8]


def test_a_directory_in_a_checkpoints_place_is_named_and_put_aside(path):
    checkpoint.save(path, {"images_seen": 8}, before=lambda: checkpoint.keep_newest(path.parent, 2))
    path.unlink()
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="last.ckpt is a directory"):
        checkpoint.load(path)
    checkpoint.save(path, {"images_seen": 9}, before=lambda: checkpoint.keep_newest(path.parent, 2))
    assert checkpoint.newest_good(path.parent) == {"images_seen": 9}
    assert [file.read_text() for file in path.parent.glob("not-a-checkpoint-*/notes.txt")] == ["mine"]


def test_files_of_other_names_are_no_checkpoints_of_the_run(path):
    for name in ("last-copy.ckpt", "last_backup.ckpt", "lasting.ckpt"):
        checkpoint.save(path.with_name(name), {"images_seen": 99})
    assert checkpoint.newest_good(path.parent)["images_seen"] == 7
