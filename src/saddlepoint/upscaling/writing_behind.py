"""Writes results in threads while the next pictures are enlarged: a core compresses a large PNG file more slowly than a
GPU computes it. Lines and failures come in the order of the files, as without threads."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from saddlepoint.upscaling.picture import Picture
from saddlepoint.upscaling.planning import Job
from saddlepoint.upscaling.progress_bar import say

if TYPE_CHECKING:
    from saddlepoint.upscaling.file_batch import FileBatch

THREADS = min(16, os.cpu_count() or 1)
MOST_PIXELS = 500_000_000  # of results that are not yet written: 1.5 GB of colours in 8 bits, and a copy of each

Pictures = tuple[Picture, Picture]  # the source and its result


class WritingBehind:
    """The threads that write the results of a batch, for the length of a `with` block."""

    def __init__(self, batch: "FileBatch"):
        self.batch = batch
        self.begun: deque[tuple[Job, int, Future[str]]] = deque()  # with the pixels of the result

    def __enter__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._report(most_waiting=0)
        finally:
            self._stop()

    def attempt(self, job: Job, make: Callable[[], Pictures], write: Callable[[Job, Picture, Picture], str]) -> None:
        """Makes a result here and begins to write it. An error of either is noted when it is the job's turn."""
        pixels, writing = 0, Future()
        try:
            low, high = make()
            pixels = high.size[0] * high.size[1]
            writing = self.threads.submit(write, job, low, high)
        except Exception as error:
            writing.set_exception(error)
        self.begun.append((job, pixels, writing))
        self._report(most_waiting=THREADS)

    def _report(self, most_waiting: int) -> None:
        """Prints the lines of the first files that are done. Waits for some if more wait, or have more pixels."""
        while self.begun and (self.begun[0][2].done() or len(self.begun) > most_waiting
                              or sum(pixels for _, pixels, _ in self.begun) > MOST_PIXELS):
            job, _, writing = self.begun.popleft()
            with self.batch.noting_failures(job):
                line = writing.result()
                self.batch.done += 1
                say(line)

    def _stop(self) -> None:
        """Ends the threads, and counts what they had still written. Files that no thread has begun are left out."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        left = [writing for _, _, writing in self.begun if not writing.cancelled()]
        wait(left)
        self.batch.done += sum(writing.exception() is None for writing in left)
        self.threads.shutdown()
