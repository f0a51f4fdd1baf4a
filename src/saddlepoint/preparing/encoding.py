"""Turns image files into the files of an archive: decoded, framed and encoded, by several processes at once."""

import io
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy
from PIL import Image

from saddlepoint.data.decoding import Limits, Unreadable, decode
from saddlepoint.data.workers import leave_signals_to_the_main_process
from saddlepoint.errors import EndOfRun
from saddlepoint.image_files import png
from saddlepoint.preparing.framing import Framing

FILES = 32  # that a process is handed at once
Result = TypeVar("Result")


class Encoded(NamedTuple):
    """A picture as a file of the archive, or why there is none."""

    content: bytes  # empty: it could not be read
    size: tuple[int, int]  # width and height
    reason: str = ""


@dataclass(frozen=True)
class Encoder:
    """How a picture becomes a file of an archive.

    channels: 1 (grey) or 3 (RGB)
    framing: how it is resized and cropped; None: it stays as it is
    kind: png or jpg
    quality: of jpg, 1 to 100
    limits: on what is decoded
    """

    channels: int
    framing: Framing | None
    kind: str
    quality: int
    limits: Limits

    def __call__(self, path: Path) -> Encoded:
        """Reads a file. Never raises for what is in it."""
        try:
            image = decode(path, self.channels, self.limits)
            framed = self.framing.framed(image) if self.framing else image
        except Unreadable as error:
            return Encoded(b"", (0, 0), str(error))
        except OSError as error:
            return Encoded(b"", (0, 0), error.strerror or str(error))
        return Encoded(encoded(framed, self.kind, self.quality), framed.size)


def encoded(image: Image.Image, kind: str, quality: int) -> bytes:
    """Returns the content of an image file of a picture in mode L or RGB.

    PNG is not compressed, as in StyleGAN's own archives: it is read in less than half the time. JPEG keeps colours in
    full size.
    """
    if kind == "png":
        return png.without_compression(numpy.atleast_3d(numpy.asarray(image)))
    content = io.BytesIO()
    image.info.clear()  # else Pillow writes the source's profile and comments
    image.save(content, format="JPEG", quality=quality, subsampling=0)
    return content.getvalue()


class Workers:
    """Processes that do the same to many files. With one, this process does it itself.

    count: of processes
    """

    def __init__(self, count: int):
        self.pool = ProcessPoolExecutor(count, initializer=_begin) if count > 1 else None
        self.count = count

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def each(self, work: Callable[[Path], Result], paths: Sequence[Path]) -> Iterator[Result]:
        """Yields what `work` returns of each path, in their order. Holds a few results for each process, however many
        paths there are."""
        groups = (paths[first:first + FILES] for first in range(0, len(paths), FILES))
        if not self.pool:
            for group in groups:
                yield from _of_all(work, group)
            return
        try:
            waiting: deque[Future] = deque()
            waiting.extend(self.pool.submit(_of_all, work, group) for group in islice(groups, 3 * self.count))
            while waiting:
                results = waiting.popleft().result()
                waiting.extend(self.pool.submit(_of_all, work, group) for group in islice(groups, 1))
                yield from results
        except BrokenProcessPool as error:
            raise EndOfRun("A process that reads images was killed, perhaps for its memory: type num_workers=1, or a "
                           "smaller max_pixels=") from error


def _of_all(work: Callable[[Path], Result], paths: Sequence[Path]) -> list[Result]:
    return [work(path) for path in paths]


def _begin() -> None:
    """Makes a process leave signals to the main process, and leave with it."""
    leave_signals_to_the_main_process(0)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Ends this process when its parent has died without a word: it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    with suppress(OSError):
        connection.wait([parent.sentinel])
    os._exit(1)
