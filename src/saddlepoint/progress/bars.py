"""Makes progress bars for wherever they can move: a terminal, or the output of a notebook's cell.

In a notebook a bar is a text that changes in its place. tqdm's own bar for notebooks needs ipywidgets, warns where they
are missing, and a saved notebook shows an empty place for it.
"""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, TextIO

from tqdm import tqdm

COLUMNS = 100  # letters of a bar in a notebook
MEASUREMENT = re.compile(r"[\d,]+ images: ")  # how a line begins that tells what was measured during training


class CellText(io.TextIOBase):
    """A stream whose newest line is shown in the output of a notebook's cell, in the place of the one before."""

    def __init__(self) -> None:
        self.handle: Any = None

    def write(self, text: str) -> int:
        content = {"text/plain": text.strip("\r\n").rstrip()}
        if self.handle:
            if text != "\n":  # the end of a bar that stays
                self.handle.update(content, raw=True)
        elif text.strip():
            from IPython.display import display

            self.handle = display(content, raw=True, display_id=True)
        return len(text)


class CellErrors(io.TextIOBase):
    """Stands for stderr in a notebook, which shows it in red: leaves it to warnings, shows the newest measurement in
    its place, and prints every other line on stdout."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.newest = stream, CellText()
        self.place: TextIO = sys.stdout  # of the line before, whose end may be written by itself

    @property
    def encoding(self) -> str:
        return self.stream.encoding

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            if line != "\n":
                self.place = self.place_of(line)
            self.place.write(line)
        return len(text)

    def place_of(self, line: str) -> TextIO:
        if MEASUREMENT.match(line):
            return self.newest
        return self.stream if "warning" in line.lower() else sys.stdout

    def flush(self) -> None:
        self.stream.flush()


def is_in_notebook() -> bool:
    """Returns whether a notebook's kernel runs this code."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def make_bar(shown: bool = True, **settings: Any) -> tqdm:
    """Returns tqdm's bar with these settings of it; a disabled one where it could not move, or is not to be shown."""
    if sys.stderr.isatty():
        return tqdm(dynamic_ncols=True, disable=not shown, **settings)
    if shown and is_in_notebook():
        return tqdm(file=CellText(), ncols=COLUMNS, ascii=False, **settings)
    return tqdm(disable=True, **settings)


@contextmanager
def without_a_red_wall() -> Iterator[None]:
    """Leaves stderr to warnings within the block where it runs in a notebook (CellErrors); does nothing elsewhere."""
    if not is_in_notebook():
        yield
        return
    with redirect_stderr(CellErrors(sys.stderr)):
        yield
