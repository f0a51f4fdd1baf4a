"""STL-10's archive is unpacked beside itself, whole or not at all."""

import io
import re
import tarfile
from pathlib import Path

import pytest

from saddlepoint.data.sources import unpacking
from saddlepoint.errors import RequestError


def archive(folder: Path, *members: tuple[str, bytes, bytes], mode: str = "w:gz") -> Path:
    """Writes an archive of (name, kind as tarfile has it, content)."""
    path = folder / "set.tar.gz"
    with tarfile.open(path, mode) as opened:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
            opened.addfile(member, io.BytesIO(content))
    return path


GOOD = ("set/a.bin", tarfile.REGTYPE, b"a" * 5000)


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_the_files_of_its_folder_are_unpacked_and_links_are_not(mode, tmp_path):
    path = archive(tmp_path, GOOD, ("set/below/b.bin", tarfile.REGTYPE, b"b"), ("other/c.bin", tarfile.REGTYPE, b"c"),
                   ("set/link", tarfile.SYMTYPE, b""), ("set/hard", tarfile.LNKTYPE, b""), mode=mode)
    assert unpacking.unpack(path, "set") == tmp_path / "set"
    found = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if not file.is_dir()}
    assert found == {"set.tar.gz", "set/a.bin", "set/below/b.bin"}
    assert (tmp_path / "set" / "a.bin").read_bytes() == GOOD[2]


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda path: archive(path.parent, GOOD, ("../evil", tarfile.REGTYPE, b"x")), "it has a file '../evil', which"),
    (lambda path: archive(path.parent, GOOD, ("set/../../evil", tarfile.REGTYPE, b"x")), "would be written outside"),
    (lambda path: archive(path.parent, GOOD, ("/evil", tarfile.REGTYPE, b"x")), "which would be written outside"),
    (lambda path: archive(path.parent, ("a.bin", tarfile.REGTYPE, b"x")), "it has no files in a folder set"),
    (lambda path: path.write_bytes(path.read_bytes()[:60]), ""),
    (lambda path: path.write_bytes(b"<html>not found</html>"), ""),
    (lambda path: path.write_bytes(path.read_bytes()[:-9] + bytes(9)), "CRC check failed"),
])
def test_a_damaged_or_hostile_archive_leaves_nothing(change, sentence, tmp_path):
    (tmp_path / "root").mkdir()
    path = archive(tmp_path / "root", GOOD)
    change(path)
    with pytest.raises(RequestError, match=f"{re.escape(str(path))} is damaged: .*{re.escape(sentence)}"):
        unpacking.unpack(path, "set")
    assert {file.name for file in tmp_path.rglob("*")} == {"root", "set.tar.gz"}


def test_a_folder_that_another_process_has_unpacked_meanwhile_is_taken(tmp_path, monkeypatch):
    path, write = archive(tmp_path, GOOD), unpacking._write

    def slow(*given) -> None:
        write(*given)
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "a.bin").write_bytes(GOOD[2])
    monkeypatch.setattr(unpacking, "_write", slow)
    assert unpacking.unpack(path, "set") == tmp_path / "set"
    assert {file.name for file in tmp_path.iterdir()} == {"set", "set.tar.gz"}


def test_a_disk_without_room_or_a_folder_in_the_way_is_said(tmp_path, monkeypatch):
    path = archive(tmp_path, GOOD)
    (tmp_path / "set").write_text("in the way")
    with pytest.raises(RequestError, match="cannot be unpacked beside itself .*data.root=FOLDER"):
        unpacking.unpack(path, "set")
    of_a_disk = type(unpacking.shutil.disk_usage("/"))
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda place: of_a_disk(9, 9, free=0))
    with pytest.raises(RequestError, match=r"takes 0.0 MB unpacked, and its disk has 0.0 MB free"):
        unpacking.unpack(path, "set")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["set", "set.tar.gz"]
