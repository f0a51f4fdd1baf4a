"""A place that cannot be written is refused before, in its own name, and what was tried leaves nothing behind."""

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files import outputs
from saddlepoint.files.outputs import require_all_writable, require_writable


def everything(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old.png").write_text("precious")
    for place in ("new.png", "there/old.png", "there/b/c/d.png", "e/f.png"):
        require_writable(tmp_path / place, f"output={place}")
    require_writable(Path("relative/g.png"), "output=relative/g.png")
    assert everything(tmp_path) == {"there", "there/old.png"}
    assert (tmp_path / "there" / "old.png").read_text() == "precious"


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for place, words in (("file/a.png", f"{tmp_path}/file is a file, not a folder"),
                         ("file/b/a.png", f"{tmp_path}/file is a file, not a folder"),
                         ("folder", f"{tmp_path}/folder is a folder"),
                         ("link/a.png", f"{tmp_path}/link is a broken link, not a folder"),
                         ("n" * 300 + "/a.png", "File name too long"),
                         ("new/" + "n" * 300 + ".png", "File name too long")):
        with pytest.raises(RequestError, match=f"^output=HERE cannot be written: {words}"):
            require_writable(tmp_path / place, "output=HERE")
    assert everything(tmp_path) == {"file", "folder", "link"}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_file_system_that_takes_no_files_is_said_so():
    with pytest.raises(RequestError, match="output=/proc/a.png cannot be written: .*Choose a place you may write to"):
        require_writable(Path("/proc/a.png"), "output=/proc/a.png")


def test_without_permission_nothing_stays_of_the_folders_that_were_made(tmp_path, monkeypatch):
    def refused(**_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(outputs.tempfile, "TemporaryFile", refused)
    with pytest.raises(RequestError, match="output=a cannot be written: Permission denied"):
        require_writable(tmp_path / "b" / "c" / "d.png", "output=a")
    assert not everything(tmp_path)


def test_a_disk_without_room_is_full_and_not_a_wrong_request(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(DiskFull, match="File too large, .* MB are free there. Make room, or .* place with output="):
            require_writable(tmp_path / "new" / "a.png", "output=new/a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not everything(tmp_path)


def test_folders_that_another_process_removes_meanwhile_are_made_again(tmp_path, monkeypatch):
    real, calls = outputs.tempfile.TemporaryFile, []

    def raced(dir):  # noqa: A002  its name
        calls.append(dir)
        if len(calls) == 1:
            dir.rmdir()
        return real(dir=dir)

    monkeypatch.setattr(outputs.tempfile, "TemporaryFile", raced)
    require_writable(tmp_path / "b" / "a.png", "output=b/a.png")
    assert len(calls) == 2


def test_of_several_files_each_folder_is_tried(tmp_path):
    (tmp_path / "b").write_text("a file")
    with pytest.raises(RequestError, match="output=out cannot be written: .*/b is a file, not a folder"):
        require_all_writable([tmp_path / name for name in ("a/1.png", "a/2.png", "b/3.png")], "output=out")
