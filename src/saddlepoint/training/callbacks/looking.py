"""Says once if looking at a run takes a good part of its time, and which setting lowers it. Nothing is left out for
that reason: rows and pictures come at the same images seen on every machine."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from tqdm import tqdm

from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.metrics.extractors.extractor import Extractor

SHARE = 0.15  # of the time; more is said
SECONDS = 30  # of training before that: the first looks are slower, and short runs are not worth a word


class Looks:
    """A callback that looks at the networks at intervals: what it measures or draws is not needed to train."""

    setting = ""  # as it is typed, e.g. callbacks.image_grid
    seconds_of_looking = 0.0

    @contextmanager
    def looking(self, module: AdversarialModule) -> Iterator[None]:
        """Counts the time of the block. What a GPU still has to do of the steps before is not part of it."""
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds_of_looking += time.perf_counter() - started


def reason_against(extractor: Extractor, data: ImageDataModule) -> str:
    """Returns why an extractor that was not asked for cannot look at the images of the data; nothing if it can.

    Raises a RequestError for one that was asked for: all but `random`, which takes what any other one takes, are typed
    or belong to the data.
    """
    try:
        extractor.check_set(data)
    except RequestError as error:
        if extractor.name != "random":
            raise
        return str(error)
    return ""


class LookingTime(pl.Callback):
    """A callback that says once, in the first process, if the others look for more than SHARE of the time of training.

    callbacks: those that look are chosen from these
    clock: seconds, for tests
    """

    def __init__(self, callbacks: Sequence[pl.Callback], clock: Callable[[], float] = time.perf_counter):
        self.callbacks = [each for each in callbacks if isinstance(each, Looks) and each.moments.every_images]
        self.clock, self.looked = clock, 0.0

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.started, self.looked = self.clock(), self.total()
        self.before = {each.setting: each.seconds_of_looking for each in self.callbacks}
        self.is_waiting = trainer.is_global_zero and bool(self.callbacks)

    def total(self) -> float:
        return sum(each.seconds_of_looking for each in self.callbacks)

    def next_due(self, images_seen: int) -> float:
        return math.inf  # whenever another callback has looked

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.is_waiting and (looked := self.total()) != self.looked:
            self.looked = looked
            elapsed = self.clock() - self.started
            if elapsed >= SECONDS and (note := self.note(elapsed)):
                self.is_waiting = False
                tqdm.write(note, file=sys.stderr)

    def note(self, elapsed: float) -> str:
        """Returns what to say after so many seconds of training; nothing if the share is small enough."""
        shares = {each: (each.seconds_of_looking - self.before[each.setting]) / elapsed for each in self.callbacks}
        share = sum(shares.values())
        if share <= SHARE:
            return ""
        longest = max(self.callbacks, key=shares.__getitem__)
        rest = max(SHARE - (share - shares[longest]), SHARE / 2)  # what is left to the one that takes longest
        factor = 2 ** max(math.ceil(math.log2(shares[longest] / rest)), 1)
        parts = ", ".join(f"{each.setting} {shares[each]:.0%}" for each in self.callbacks if shares[each] >= SHARE / 10)
        return (f"note: looking has taken {share:.0%} of the time so far ({parts}): to look less often, type "
                f"{longest.setting}.every_images={longest.moments.every_images * factor}")
