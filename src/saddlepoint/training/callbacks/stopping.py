"""Ends training when the budget is used up or a signal arrives."""

import math
import signal
import threading
from collections.abc import Mapping

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.parallel.collectives import Agreement, is_alone

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Budget(pl.Callback):
    """A callback that ends training after the first step with images_seen >= `images`."""

    def __init__(self, images: int):
        self.images = images

    def next_due(self, images_seen: int) -> float:
        return self.images

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if module.images_seen >= self.images:
            module.settle()  # before anything is shown or saved of the last step
            trainer.should_stop = True


class StopOnSignal(pl.Callback):
    """A callback that ends training after the step in which a signal arrives, so that the checkpoint is of a whole
    step.

    A second signal has the effect that it has without this callback. A signal to one of several processes ends all of
    them after the same step, the next one.

    If there is already a handler of SIGUSR2, as submitit sets one to requeue a SLURM job, SIGUSR2 ends training as
    well, and its handler is called after the checkpoint was written. SLURM sends SIGTERM before it, which submitit
    ignores; so the handler of SIGTERM stays the one that was there.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.agreement = Agreement()
        self.former_handlers: dict[signal.Signals, object] = {}
        self.before_the_run = {each: signal.getsignal(each) for each in (*SIGNALS, signal.SIGUSR2)}
        requeue = self.before_the_run[signal.SIGUSR2]
        self.requeue = requeue if callable(requeue) else None

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Sets the handlers, after Lightning has set its own."""
        if not _may_set_handlers():
            return
        handlers = dict.fromkeys(SIGNALS, self.note)
        if self.requeue:
            handlers |= {signal.SIGTERM: self.before_the_run[signal.SIGTERM], signal.SIGUSR2: self.note}
        self.trainer = trainer
        self.former_handlers = {each: signal.signal(each, handler) for each, handler in handlers.items()}

    def note(self, number: int, frame: object) -> None:
        """Handles a signal: notes it and restores the former handlers, so that a second one has its usual effect."""
        self.received = signal.Signals(number)
        self.trainer.should_stop |= is_alone()
        self.restore()

    def next_due(self, images_seen: int) -> float:
        return math.inf  # visits are short, and one of a process that is alone ends when a signal arrives

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        number = self.agreement.name(self.received or 0)
        if number:
            self.received = signal.Signals(number)
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.agreement.end()
        self.restore()

    def restore(self) -> None:
        _set_handlers(self.former_handlers)
        self.former_handlers = {}

    def leave(self) -> None:
        """Sets the handlers that were there before the run, however it ended. Lightning leaves its own behind: after a
        SIGINT, say, which it ignores from then on."""
        if _may_set_handlers():
            _set_handlers({each: handler for each, handler in self.before_the_run.items()
                           if handler is not None and signal.getsignal(each) != handler})  # None: not set by Python

    def call_former_handler(self) -> None:
        """Calls the handler of SIGUSR2 that was there before, if this signal ended training. It may end the process, so
        nothing may be left to write."""
        if self.requeue and self.received == signal.SIGUSR2:
            self.requeue(signal.SIGUSR2, None)

    @property
    def exit_code(self) -> int:
        """Returns the exit code, as in shells 128 + the number of the signal. SIGUSR1 and SIGUSR2, with which
        schedulers warn, count as SIGTERM."""
        return exit_code_of(self.received)


def _may_set_handlers() -> bool:
    """Returns whether this is the main thread, to which signals come; a program may train in another one."""
    return threading.current_thread() is threading.main_thread()


def _set_handlers(handlers: Mapping[signal.Signals, object]) -> None:
    for each, handler in handlers.items():
        signal.signal(each, handler if handler is not None else signal.SIG_DFL)


def exit_code_of(received: signal.Signals) -> int:
    return 130 if received == signal.SIGINT else 143


def signal_behind(error: BaseException) -> signal.Signals | None:
    """Returns the signal that ended a run at once: before its first step, or as the second one in the middle of a step;
    None if the error is another one. Lightning exits with code 1 on a KeyboardInterrupt."""
    if isinstance(error, SIGTERMException):
        return signal.SIGTERM
    cause = error.__context__ if isinstance(error, SystemExit) else error
    return signal.SIGINT if isinstance(cause, KeyboardInterrupt) else None
