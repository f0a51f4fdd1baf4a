"""upscale.py as a person types it: each a process of its own, so only what needs one is here."""

import signal
import sys

import pytest
from PIL import Image

from tests import warm
from tests.commands.test_commands import assert_refused, typed
from tests.data.formats import photo
from tests.processes import ROOT, ended, started
from tests.upscaling.weight_files import small_rrdbnet, write_pth


def test_names_with_anything_in_them_reach_their_files(tmp_path):
    folder = tmp_path / "my photos, (new) {x}=y"
    folder.mkdir()
    photo(12, 9).save(folder / "it's a [1], b.png")
    write_pth(tmp_path / "my net (1).pth", small_rrdbnet())
    done = warm.typed(f"""upscale.py "input={folder}/it's a [1], b.png" 'weights=my net (1).pth' threads=1""", tmp_path)
    assert done.returncode == 0, done.stderr
    assert Image.open(folder / "it's a [1], b_x4.png").size == (48, 36)
    assert "Warning" not in done.stderr and not done.stderr.strip()


def test_a_bomb_is_refused_by_its_header_before_torch_is_imported(tmp_path, tmp_path_factory):
    """A 9,000 x 9,000 picture in a file of a few kilobytes"""
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png", optimize=True)
    assert (tmp_path / "bomb.png").stat().st_size < 20_000
    without_torch = tmp_path_factory.mktemp("stand-in")
    (without_torch / "torch.py").write_text("raise SystemError('torch was imported')")
    done = typed("upscale.py input=bomb.png", tmp_path, PYTHONPATH=str(without_torch))
    assert_refused(done, "input=bomb.png cannot be upscaled: its 9000 x 9000 pixels are more than max_pixels=16000000")
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.png"]


def test_a_folder_with_a_bad_file_exits_1(tmp_path):
    write_pth(tmp_path / "net.pth", small_rrdbnet())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    photo(8, 8).save(tmp_path / "in" / "good.png")
    done = warm.typed("upscale.py input=in weights=net.pth threads=1", tmp_path)
    assert done.returncode == 1, done.stderr
    assert "in/bad.png was left out" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "in_x4" / "good.png").is_file()


@pytest.mark.parametrize(("line", "words"), [
    ("upscale.py input=a.png scales=2", ["scales is not a setting: did you mean scale?"]),
    ("upscale.py input=a.png scale=two", ["scale=two must be a number above 0"]),
    ("upscale.py input=a.png format=jpeg compare=yep", ["format=jpeg must be one of png, jpg", "compare=yep must be"]),
])
def test_a_slip_is_answered_in_a_sentence_before_torch_is_imported(line, words, tmp_path, tmp_path_factory):
    bomb = tmp_path_factory.mktemp("bomb")
    (bomb / "torch.py").write_text("raise SystemError('torch was imported')")
    assert_refused(typed(line, tmp_path, PYTHONPATH=str(bomb)), *words)
    assert not any(tmp_path.iterdir())


def test_ctrl_c_ends_in_a_sentence_and_leaves_no_half_file(tmp_path):
    write_pth(tmp_path / "net.pth", small_rrdbnet(num_blocks=23))
    (tmp_path / "in").mkdir()
    photo(8, 8).save(tmp_path / "in" / "a.png")
    photo(3000, 3000).save(tmp_path / "in" / "b.png")
    command = [sys.executable, str(ROOT / "upscale.py"), "input=in", "weights=net.pth", "threads=1"]
    with started(command, tmp_path) as process:
        for line in process.stdout:
            if line.startswith("in/a.png -> "):  # which is said when it was counted, and not when its file is there
                break
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert done.returncode == 130, done.stderr
    assert "Stopped by SIGINT: 1 of 2 done" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "in_x4").iterdir()] == ["a.png"]
