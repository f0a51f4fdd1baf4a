"""A batch of files comes to its end whatever one of them is, and finds out first whether there is a place for it."""

import errno
import os
import socket
import unicodedata
from pathlib import Path

import numpy
import pytest
from PIL import Image

from saddlepoint.errors import DiskFull, EndOfRun, RequestError
from saddlepoint.upscaling import batch, progress_bar, weights, writing
from tests.data.formats import photo
from tests.upscaling.files import saved
from tests.upscaling.test_batch_command import net, only, upscale  # noqa: F401  net is a fixture


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        saved(tmp_path / "in" / name, photo(8, 8))
    return tmp_path / "in"


@pytest.mark.timeout(60)
def test_what_is_no_file_is_left_out_and_never_waited_for(net, folder, capsys):  # noqa: F811
    os.mkfifo(folder / "b.png")
    (folder / "d.png").symlink_to("/dev/zero")
    (folder / "e.png").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder)  # a socket's path is short
        listening.bind("f.png")
        os.chdir(folder.parent)
        with pytest.raises(EndOfRun, match="4 of 6 images could not be upscaled"):
            upscale("input=in", f"weights={net}")
    assert only(folder.parent / "in_x4") == {"a.png", "c.png"}
    said = capsys.readouterr().err
    for words in ("b.png was left out: it is a named pipe", "d.png was left out: it is a device",
                  "e.png was left out: No such file", "f.png was left out: it is a socket"):
        assert words in said


@pytest.mark.parametrize("name", [unicodedata.normalize("NFD", "é.png"), "n" * 251 + ".png", "é" * 125 + ".bmp",
                                  os.fsdecode(b"caf\xe9.png")])
def test_names_of_any_form_and_length_are_upscaled(name, net, folder):  # noqa: F811
    saved(folder / name, photo(8, 8))
    upscale("input=in", f"weights={net}", "compare=true")
    upscale(f"input='in/{name}'", f"weights={net}")
    assert len(only(folder.parent / "in_x4")) == 6 and len(only(folder)) == 4
    for path in [*(folder.parent / "in_x4").glob("*[!e].png"), *folder.glob("*_x4.png")]:
        assert Image.open(path).size == (32, 32)


def test_inputs_of_one_name_have_their_own_results_and_comparisons(net, folder):  # noqa: F811
    for ending, level in (("bmp", 40), ("jpg", 200)):
        saved(folder / f"a.{ending}", Image.new("RGB", (8, 8), (level, level, level)))
    upscale("input=in", f"weights={net}", "compare=true")
    made = folder.parent / "in_x4"
    assert only(made) == {"a.png.png", "a.bmp.png", "a.jpg", "c.png", "a.png_compare.png", "a.bmp_compare.png",
                          "a_compare.png", "c_compare.png"}
    assert numpy.asarray(Image.open(made / "a.bmp.png")).std() < numpy.asarray(Image.open(made / "a.png.png")).std()


def test_a_bug_with_one_file_keeps_its_traceback_and_the_others_their_results(net, folder, monkeypatch, capsys):  # noqa: F811
    real = batch.read_picture

    def read_picture(path, *arguments):
        if path.name == "a.png":
            raise RuntimeError("Failed to decode frame 0: Decoding of color planes failed")
        return real(path, *arguments)

    monkeypatch.setattr(batch, "read_picture", read_picture)
    with pytest.raises(RuntimeError, match="Failed to decode"):
        upscale("input=in", f"weights={net}")
    assert only(folder.parent / "in_x4") == {"c.png"}
    assert "in/a.png was left out: RuntimeError: Failed" in capsys.readouterr().err


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you "
                                "tried to allocate 16 bytes. Error code 12 (Cannot allocate memory)")])
def test_want_of_memory_beside_the_tiles_is_no_bug(error, net, folder, monkeypatch, capsys):  # noqa: F811
    real = batch.enlarge

    def enlarge(low, *arguments):
        if not enlarged:
            enlarged.append(low)
            raise error
        return real(low, *arguments)

    enlarged = []
    monkeypatch.setattr(batch, "enlarge", enlarge)
    with pytest.raises(EndOfRun, match="1 of 2 images could not be upscaled: in/a.png"):
        upscale("input=in", f"weights={net}")
    assert only(folder.parent / "in_x4") == {"c.png"}
    assert "in/a.png was left out: not enough memory: type a smaller max_pixels=" in capsys.readouterr().err


def test_a_closed_pipe_is_no_failure_of_pictures(net, folder, monkeypatch):  # noqa: F811
    reading, writing_end = os.pipe()
    os.close(reading)
    with os.fdopen(writing_end, "w") as stream:
        monkeypatch.setattr(progress_bar.sys, "stdout", stream)
        upscale("input=in", f"weights={net}")
    assert only(folder.parent / "in_x4") == {"a.png", "c.png"}


def test_lines_that_a_stream_cannot_show_are_shown_otherwise(monkeypatch, tmp_path):
    with (tmp_path / "said").open("w", encoding="ascii") as stream:
        progress_bar.say("猫.png -> caf\udce9.png", stream)
    assert (tmp_path / "said").read_text() == "\\u732b.png -> caf\\udce9.png\n"


# Places.


@pytest.mark.parametrize(("overrides", "words"), [
    (("input=in/a.png", "output=there/b.png"), "output=there/b.png cannot be written: there is a file, not a folder"),
    (("input=in", "output=there"), "output=there cannot be written: there is a file, not a folder"),
    (("input=in", "output=there/more"), "output=there/more cannot be written: there is a file, not a folder"),
    (("input=in", "output=/proc/out"), "output=/proc/out cannot be written: "),
    (("input=in/a.png", "output=/proc/"), "output=/proc/ cannot be written: "),
])
def test_a_place_that_cannot_be_written_is_named_before_weights_are_looked_for(overrides, words, folder, monkeypatch):
    monkeypatch.setattr(weights, "load", None)
    (folder.parent / "there").write_text("a file")
    with pytest.raises(RequestError, match=f"^{words}"):
        upscale(*overrides)
    assert only(folder.parent) == {"in", "there"} and only(folder) == {"a.png", "c.png"}


def test_the_folder_beside_the_input_is_tried_too(net, folder, monkeypatch):  # noqa: F811
    (folder.parent / "in_x4").write_text("a file")
    monkeypatch.setattr(batch, "Batch", None)
    with pytest.raises(RequestError, match="output=in_x4 cannot be written: in_x4 is a file, not a folder"):
        upscale("input=in", f"weights={net}")


def test_a_folder_where_a_result_would_be_leaves_that_file_out(net, folder, capsys):  # noqa: F811
    (folder.parent / "in_x4" / "a.png").mkdir(parents=True)
    with pytest.raises(EndOfRun, match="1 of 2 images"):
        upscale("input=in", f"weights={net}")
    assert "in/a.png was left out: its result in_x4/a.png is a folder" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_what_goes_wrong_in_writing_names_the_result_and_a_full_disk_ends_the_batch(number, net, folder,  # noqa: F811
                                                                                    monkeypatch, capsys):
    real, tried = writing._write, []

    def write(path, *arguments):
        tried.append(path)
        if len(tried) == 1:
            raise OSError(number, os.strerror(number))
        return real(path, *arguments)

    monkeypatch.setattr(writing, "_write", write)
    full = number == errno.ENOSPC
    with pytest.raises(DiskFull if full else EndOfRun) as end:
        upscale("input=in", f"weights={net}")
    assert only(folder.parent / "in_x4") == (set() if full else {"c.png"})
    said = str(end.value) if full else capsys.readouterr().err
    assert "in_x4/a.png cannot be written: " in said and os.strerror(number) in said
    assert not full or "0 of 2 done. The same command goes on with the rest, when there is room" in said
