"""Run under torchrun by test_watching.py: trains with two processes, of which one is killed while the other one waits
in a callback for ever. The watch begins though the group is one of gloo. Not a test itself."""

import os
import signal
import sys
import time
from pathlib import Path

import pytorch_lightning as pl

from saddlepoint import build
from saddlepoint.commands import command_line
from saddlepoint.parallel import launching
from saddlepoint.parallel.collectives import place
from saddlepoint.training import train
from tests.composing import settings


class Stuck(pl.Callback):
    def __init__(self, victim: int):
        self.victim = victim

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        if place()[0] == self.victim:
            time.sleep(1)  # the other one is stuck by then
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # Python would not get to handle it
        time.sleep(600)


if __name__ == "__main__":
    victim, path = int(sys.argv[1]), Path(sys.argv[2])
    configured = build.callbacks
    build.callbacks = lambda *given: [*configured(*given), Stuck(victim)]
    launching.watch_processes = lambda watch: watch.begin()
    with command_line.reported():
        train.train(settings("trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=8", "budget.images=16",
                             "callbacks=none", "logger=none", "model.generator.width=4",
                             "model.discriminator.width=4", f"run.dir={path}"))
