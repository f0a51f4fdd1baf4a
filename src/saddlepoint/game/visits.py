"""Several steps in one visit of Lightning's loop.

A visit costs Lightning up to a millisecond of the host, whatever happens in it; a step of a small game takes a few. So
the loop is handed visits in place of batches, and a visit takes as many batches as nobody wants to look in between.
Neither bits nor rows nor files depend on how long visits are.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytorch_lightning as pl

from saddlepoint.game.callback_group import CallbackGroup, listens
from saddlepoint.parallel.collectives import Agreement, is_alone

if TYPE_CHECKING:
    from saddlepoint.game.adversarial import AdversarialModule

SECONDS = 0.05  # of a visit, about: callbacks may go by the clock, and a signal must not wait long
MOST_STEPS = 1024  # of a visit of several processes, which agree on a number
HOOKS = ("on_train_batch_start", "on_train_batch_end")


class SaysWhen(Protocol):
    """A callback that says when Lightning's hooks around a batch are to be called next.

    One that overrides such a hook without saying when is called around every step.
    """

    def next_due(self, images_seen: int) -> float:
        """Returns the first number of images seen, above `images_seen`, after which the hooks have something to do;
        infinity if there is none."""


def all_say_when(callbacks: Iterable[pl.Callback]) -> bool:
    """Returns whether all of these callbacks that are called around a batch say when they have something to do."""
    return all(hasattr(each, "next_due") for each in members(callbacks) if listens(each, HOOKS))


def next_due(callbacks: Iterable[pl.Callback], images_seen: int) -> float:
    """Returns the next moment of any of these callbacks, in images seen."""
    return min((each.next_due(images_seen) for each in callbacks), default=math.inf)


def members(callbacks: Iterable[pl.Callback]) -> list[pl.Callback]:
    """Returns the callbacks, and in place of a group those that belong to it."""
    return [each for callback in callbacks
            for each in (callback.callbacks if isinstance(callback, CallbackGroup) else [callback])]


class Visit:
    """What Lightning's loop takes for a batch: the game takes its batches from here, one or several.

    batches: without end, as the loader gives them
    transfer: brings a batch to the device that trains
    callbacks: all that are called around a batch, each of which says when
    steps: in each visit, 1 or more; None: as many as take about SECONDS. A visit ends earlier if a callback is due, or
        if training is to end
    clock: seconds, for tests
    """

    def __init__(self, batches: Iterator[Any], transfer: Callable[[Any], Any], callbacks: Iterable[pl.Callback],
                 steps: int | None = None, clock: Callable[[], float] = time.perf_counter):
        self.batches, self.transfer, self.callbacks = batches, transfer, list(callbacks)
        self.steps, self.clock = steps, clock
        self.agreement = Agreement()
        self.wanted = 1  # steps that would have taken SECONDS in this process

    def play(self, module: "AdversarialModule", index: int) -> None:
        """Lets the game make its steps."""
        steps, due = self.length(), next_due(self.callbacks, module.images_seen)
        started = self.clock()
        for taken in itertools.count(1):
            module.training_step(self.transfer(next(self.batches)), index)
            if taken == steps or module.images_seen >= due or module.trainer.should_stop:
                break
            if steps is None and self.clock() - started >= SECONDS:
                break
        each = (self.clock() - started) / taken
        self.wanted = max(1, min(int(SECONDS / each) if each else MOST_STEPS, MOST_STEPS))

    def length(self) -> int | None:
        """Returns the number of steps of this visit; None if the clock decides.

        Clocks of several processes differ, and all must make the same steps before they talk about signals. So they
        agree on the smallest number that any of them wanted after the visit before; the first has one step.
        """
        if self.steps is not None or is_alone():
            return self.steps
        agreed = self.agreement.name(MOST_STEPS + 1 - self.wanted)  # 1 or more; 0 is the answer to the first
        return MOST_STEPS + 1 - agreed if agreed else 1

    def end(self) -> None:
        """Ends the agreement of several processes, and lets go of the processes that load."""
        self.agreement.end()
        self.batches = iter(())
