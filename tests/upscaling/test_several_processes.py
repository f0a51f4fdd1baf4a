"""Several processes share the files of upscale.py, and end with one summary and one exit code."""

import sys

import pytest
from PIL import Image

from tests.data.formats import photo
from tests.processes import ROOT
from tests.upscaling.files import saved
from tests.upscaling.test_batch_command import net, only  # noqa: F401  net is a fixture
from tests.warm import shared


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(5):
        saved(tmp_path / "in" / f"{number}.png", photo(8, 8 + number))
    return tmp_path / "in"


def by_two(folder, net):  # noqa: F811
    """Returns the exit codes, and what was said on stdout and on stderr."""
    command = [sys.executable, ROOT / "upscale.py", f"input={folder}", f"weights={net}", "threads=1"]
    both = shared(command, folder.parent, 2)
    return [done.returncode for done in both], *("".join(map(str, said)) for said in (
        [done.stdout for done in both], [done.stderr for done in both]))


def test_two_processes_upscale_each_file_once_and_count_them_together(net, folder):  # noqa: F811
    codes, out, err = by_two(folder, net)
    assert codes == [0, 0], err
    assert sorted(line.rpartition("/")[2] for line in out.splitlines() if " -> " in line) == sorted(
        f"{number}.png: 8 x {8 + number} -> 32 x {32 + 4 * number}" for number in range(5))
    assert out.count("5 images upscaled") == out.count("weights: net") == 1
    assert {Image.open(path).size[1] for path in (folder.parent / "in_x4").iterdir()} == {32, 36, 40, 44, 48}


def test_a_failure_in_one_process_ends_both_alike_when_all_else_is_done(net, folder):  # noqa: F811
    (folder / "1.png").write_bytes(b"no picture")
    codes, _, err = by_two(folder, net)
    assert codes == [1, 1]
    assert err.count("1.png was left out") == 1
    assert err.count(f"1 of 5 images could not be upscaled: {folder / '1.png'}") == 1
    assert only(folder.parent / "in_x4") == {"0.png", "2.png", "3.png", "4.png"}


def test_what_cannot_be_done_is_refused_once(net, folder):  # noqa: F811
    codes, _, err = by_two(folder.parent / "nowhere", net)
    assert 2 in codes and err.count("nowhere") == 1
