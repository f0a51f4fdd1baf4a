"""Ends training when the budget is used up or a signal arrives."""

import math
import signal
import threading

import pytorch_lightning as pl

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
        requeue = signal.getsignal(signal.SIGUSR2)
        self.requeue = requeue if callable(requeue) else None
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Sets the handlers, after Lightning has set its own. Signals come to the main thread; another one, in which a
        program may train, may set none."""
        if threading.current_thread() is not threading.main_thread():
            return
        handlers = dict.fromkeys(SIGNALS, self.note)
        if self.requeue:
            handlers |= {signal.SIGTERM: self.on_sigterm, signal.SIGUSR2: self.note}
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
        for each, handler in self.former_handlers.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)
        self.former_handlers = {}

    def call_former_handler(self) -> None:
        """Calls the handler of SIGUSR2 that was there before, if this signal ended training. It may end the process, so
        nothing may be left to write."""
        if self.requeue and self.received == signal.SIGUSR2:
            self.requeue(signal.SIGUSR2, None)

    @property
    def exit_code(self) -> int:
        """Returns the exit code, as in shells 128 + the number of the signal. SIGUSR1 and SIGUSR2, with which
        schedulers warn, count as SIGTERM."""
        return 130 if self.received == signal.SIGINT else 143
