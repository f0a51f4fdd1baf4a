"""What commands say, where it cannot be written: the files are there, and the end is the same."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from saddlepoint.commands.streams import Unfailing, make_unfailing
from saddlepoint.errors import DiskFull
from tests.runs.made_runs import make_run, score

ROOT = Path(__file__).parents[2]
SAY = """
import sys
from saddlepoint.commands import command_line
def say():
    print("caf\\u00e9 \\u732b x\\udce9y")
    sys.stdout.flush()
    print("still here \\u2192")
    import logging; logging.getLogger("saddlepoint").warning("caf\\u00e9 \\u732b")
    open("done", "w").close()
sys.argv = [sys.argv[0]]
sys.exit(command_line.run(say, "train"))
"""


def said_with(tmp_path, shell: str = '"$@"', **environment: str) -> subprocess.CompletedProcess:
    """`shell`: what is made of the command's streams"""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run(["bash", "-c", shell, "bash", sys.executable, "-c", SAY], cwd=tmp_path, capture_output=True,
                          env=environment)
    assert (tmp_path / "done").exists() and b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(("environment", "words"), [
    ({}, "café 猫 x\\udce9y".encode()),
    ({"PYTHONIOENCODING": "cp1252"}, b"caf\xe9 \\u732b x\\udce9y"),
    ({"PYTHONIOENCODING": "ascii:strict"}, b"caf\\xe9 \\u732b x\\udce9y"),
    ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, b"caf\\xe9 \\u732b x\\udce9y"),
])
def test_letters_that_a_stream_lacks_are_spelt_out(tmp_path, environment, words):
    done = said_with(tmp_path, **environment)
    assert done.returncode == 0 and words in done.stdout and b"still here" in done.stdout
    assert words.split()[0] in done.stderr


@pytest.mark.parametrize("shell", [
    '"$@" | exec true; exit ${PIPESTATUS[0]}',  # nobody reads
    '"$@" >&-', '"$@" 2>&-', '"$@" >&- 2>&-', '"$@" <&- >&- 2>&-',
    '"$@" 2>&1 | exec true; exit ${PIPESTATUS[0]}',
])
def test_nobody_has_to_listen(tmp_path, shell):
    done = said_with(tmp_path, shell)
    assert done.returncode == 0 and b"Exception ignored" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_words_that_a_full_disk_swallows_are_missed(tmp_path):
    done = said_with(tmp_path, '"$@" >/dev/full')
    assert done.returncode == DiskFull.exit_code and b"cannot be written to (No space left on device)" in done.stderr


def test_a_stream_of_somebody_else_stays_as_it_is(capsys):
    before = sys.stdout
    make_unfailing()
    assert sys.stdout is before


def test_a_broken_stream_stays_silent():
    read, write = os.pipe()
    os.close(read)
    with Unfailing(io.BufferedWriter(io.FileIO(write, "w")), encoding="utf-8") as stream:
        for _ in range(3):
            assert stream.write("x") == 1
            stream.flush()


def test_a_table_of_odd_names_is_written_for_every_reader(tmp_path):
    """compare.py of a run in a folder whose name is no text, on a terminal for western languages"""
    folder = os.fsdecode(b"caf\xc3\xa9 \xff")
    make_run(tmp_path / folder / "猫", score("fid", 3.0))
    done = subprocess.run([sys.executable, str(ROOT / "compare.py"), f"runs={folder}", "output=table", "page=p.html"],
                          cwd=tmp_path, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    for name in ("table.md", "table.csv", "table.tex", "p.html"):
        assert (tmp_path / name).read_text(encoding="utf-8")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Comparison of café" in page and "猫" in page
