"""Shows the progress of a batch of pictures: a bar on a terminal, plain lines elsewhere. Work is counted in input
pixels."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

LINE_SECONDS = 10


class Progress:
    """On stderr: which file of how many, its tiles, and the time left for all."""

    def __init__(self, files: int, pixels: int):
        self.files, self.pixels, self.done, self.number = files, pixels, 0, 0
        self.on_terminal = sys.stderr.isatty()
        self.started = self.last_line = time.perf_counter()
        self.bar = tqdm(total=pixels, unit="px", unit_scale=True, dynamic_ncols=True, disable=not self.on_terminal)

    @contextmanager
    def on(self, name: str, pixels: int) -> Iterator["Progress"]:
        """Counts a file as the current one while the block runs and calls `tile` after each tile. Afterwards its
        pixels count as done, however the block ended."""
        self.number, self.name, self.here = self.number + 1, name, pixels
        self.bar.set_description(f"{self.number}/{self.files} {name}")
        try:
            yield self
        finally:
            self.done += pixels
            self._move_to(self.done)

    def tile(self, done: int, total: int) -> None:
        position = self.done + self.here * done / total
        self._move_to(position)
        now = time.perf_counter()
        if not self.on_terminal and now - self.last_line >= LINE_SECONDS and position < self.pixels:
            self.last_line = now
            left = (now - self.started) * (self.pixels - position) / position
            say(f"{self.number} of {self.files}, {self.name}: tile {done} of {total}, "
                f"{tqdm.format_interval(left)} left", sys.stderr)

    def close(self) -> None:
        self.bar.close()

    def _move_to(self, position: float) -> None:
        self.bar.update(round(position) - self.bar.n)


def say(text: str, stream: TextIO | None = None) -> None:
    """Prints a line on stdout or the given stream, above the bar if there is one. A reader that has closed the pipe
    (upscale.py ... | head) or cannot show all letters is no failure of a picture."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        tqdm.write(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
