"""Shows the progress of a batch of pictures: a bar on a terminal and in a notebook, else a line every ten seconds."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

from saddlepoint.parallel.first import is_first
from saddlepoint.progress.bars import make_bar

LINE_SECONDS = 10  # between two lines


class Progress:
    """The progress of `files` pictures of `pixels` pixels in all: which of them is being enlarged, how many of its
    tiles are done, and the time left. Work is counted in input pixels. Of several processes only the first shows its
    own."""

    def __init__(self, files: int, pixels: int):
        self.files, self.pixels, self.done, self.number = files, pixels, 0, 0
        self.is_shown = is_first()
        self.started = self.last_line = time.perf_counter()
        self.bar = make_bar(self.is_shown, total=pixels, unit="px", unit_scale=True)

    @contextmanager
    def working_on(self, name: str, pixels: int) -> Iterator["Progress"]:
        """Shows a file as the current one while the block runs, which should call `tile` after each tile. After the
        block the file's pixels count as done, even if an error ended it."""
        self.number, self.name, self.pixels_of_file = self.number + 1, name, pixels
        self.bar.set_description(f"{self.number}/{self.files} {name}")
        try:
            yield self
        finally:
            self.done += pixels
            self._move_to(self.done)

    def tile(self, done: int, total: int) -> None:
        """Shows that `done` of the current file's `total` tiles are done."""
        position = self.done + self.pixels_of_file * done / total
        self._move_to(position)
        now = time.perf_counter()
        if self.is_shown and self.bar.disable and now - self.last_line >= LINE_SECONDS and position < self.pixels:
            self.last_line = now
            seconds_left = (now - self.started) * (self.pixels - position) / position
            say(f"{self.number} of {self.files}, {self.name}: tile {done} of {total}, "
                f"{tqdm.format_interval(seconds_left)} left", sys.stderr)

    def close(self) -> None:
        self.bar.close()

    def _move_to(self, position: float) -> None:
        self.bar.update(round(position) - self.bar.n)


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints a line on stdout or the given stream, above the bar if there is one. Raises nothing if the reader has
    closed the pipe (upscale.py ... | head) or its encoding lacks a letter, since the pictures are enlarged all the
    same."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        tqdm.write(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
