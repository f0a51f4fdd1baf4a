"""When training ends: the budget is used up, or a signal asked for it."""

import signal

import pytorch_lightning as pl

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.parallel.collectives import largest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Budget(pl.Callback):
    """Ends training at the first step with images_seen >= `images`."""

    def __init__(self, images: int):
        self.images = images

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if module.images_seen >= self.images:
            trainer.should_stop = True


class StopOnSignal(pl.Callback):
    """A signal sets a flag, and the step under way is finished, so the checkpoint is one of a whole step.

    A second signal acts as if nobody listened. Of several processes, a signal to one ends all after the same step.

    Where somebody waits for SIGUSR2 already, as submitit does to put a job back into SLURM's queue, that signal is the
    one to stop at: it is handed on when the checkpoint is written. SLURM's SIGTERM, which comes first and which
    submitit ignores, is left to it.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.before: dict[signal.Signals, object] = {}
        requeue = signal.getsignal(signal.SIGUSR2)
        self.requeue = requeue if callable(requeue) else None
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """After Lightning set handlers of its own"""
        wanted = dict.fromkeys(SIGNALS, self.note)
        if self.requeue:
            wanted |= {signal.SIGTERM: self.on_sigterm, signal.SIGUSR2: self.note}
        self.before = {each: signal.signal(each, handler) for each, handler in wanted.items()}

    def note(self, number: int, frame: object) -> None:
        self.received = signal.Signals(number)
        self.restore()

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        number = largest(self.received or 0)
        if number:
            self.received = signal.Signals(number)
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.restore()

    def restore(self) -> None:
        for each, handler in self.before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)
        self.before = {}

    def hand_on(self) -> None:
        """When nothing is left to write: whoever waited for SIGUSR2 may end the process now."""
        if self.requeue and self.received == signal.SIGUSR2:
            self.requeue(signal.SIGUSR2, None)

    @property
    def exit_code(self) -> int:
        """As a shell names the end by a signal; SIGUSR1 and SIGUSR2, schedulers' warnings, count as SIGTERM."""
        return 130 if self.received == signal.SIGINT else 143
