"""Bars where they can move: on a terminal and in a notebook; here with a display that keeps what it shows."""

import io
import sys
from types import SimpleNamespace

import pytest

from saddlepoint.progress.bars import make_bar, without_a_red_wall


class Cell:
    """The output of a notebook's cell: texts, each of which may change in its place"""

    def __init__(self):
        self.texts: list[str] = []

    def display(self, content, raw, display_id):
        self.texts.append(content["text/plain"])
        place = len(self.texts) - 1
        return SimpleNamespace(update=lambda content, raw: self.texts.__setitem__(place, content["text/plain"]))


@pytest.fixture
def cell(monkeypatch):
    cell = Cell()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=cell.display))
    return cell


def test_in_a_notebook_a_bar_is_one_text_that_changes(cell, capsys):
    bar = make_bar(total=4, desc="fakes", mininterval=0)
    for _ in range(3):
        bar.update()
    [text] = cell.texts
    assert text.startswith("fakes:  75%|") and " 3/4 " in text
    bar.update()
    bar.close()
    [text] = cell.texts
    assert text.startswith("fakes: 100%|") and len(text) <= 100
    assert capsys.readouterr() == ("", "")


def test_a_bar_that_does_not_stay_leaves_nothing(cell):
    with make_bar(total=1, leave=False, mininterval=0) as bar:
        bar.update()
    assert cell.texts == [""]


@pytest.mark.parametrize("shown", [True, False])
def test_where_no_bar_can_move_there_is_none(shown, capsys):
    bar = make_bar(shown, total=2)
    bar.update()
    assert bar.disable and capsys.readouterr().err == ""


def test_on_a_terminal_the_bar_is_on_stderr(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    make_bar(total=2, desc="reals").close()
    assert "reals:   0%" in capsys.readouterr().err
    assert make_bar(False, total=2).disable


def test_measurements_replace_each_other_and_only_warnings_are_red(cell, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", errors := io.StringIO())
    with without_a_red_wall():
        print("warning: first", file=sys.stderr)
        for images in ("2,000", "14,000"):
            sys.stderr.write(f"{images} images: fid_digits 61.2")
            sys.stderr.write("\n")  # as tqdm.write does
        print("note: last\n14 images a class", file=sys.stderr)
        print("x.py:3: UserWarning: y", file=sys.stderr)
    assert cell.texts == ["14,000 images: fid_digits 61.2"]
    assert errors.getvalue() == "warning: first\nx.py:3: UserWarning: y\n"
    assert capsys.readouterr().out == "note: last\n14 images a class\n"
    assert sys.stderr is errors


def test_outside_of_a_notebook_measurements_are_lines(capsys):
    with without_a_red_wall():
        print("2,000 images: fid_digits 61.2", file=sys.stderr)
    assert capsys.readouterr().err == "2,000 images: fid_digits 61.2\n"
