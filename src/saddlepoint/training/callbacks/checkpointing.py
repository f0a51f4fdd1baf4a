"""Writes checkpoints/last.ckpt, the whole state of a run, for sampling and resuming, and keeps some earlier ones."""

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from saddlepoint.config.rules import Count, Positive
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.parallel.collectives import Agreement, gather_objects
from saddlepoint.runs import checkpoint
from saddlepoint.runs.checkpoint import FORMAT
from saddlepoint.training.callbacks.every import Every


class Checkpointing(pl.Callback):
    """A callback that writes last.ckpt at intervals and at the end of training. It does so after a whole step and after
    all other callbacks, whose states it saves. It keeps the newest `keep` checkpoints: last.ckpt, last-1.ckpt, ..."""

    def __init__(self, every_images: Count | None, every_minutes: Positive | None = None, keep: Count = 2):
        self.moments, self.keep = Every(every_images), keep
        self.agreement = Agreement()
        self.seconds = math.inf if every_minutes is None else 60 * every_minutes
        self.seconds_before, self.started = 0.0, time.monotonic()
        self.processor_seconds_before: float | None = 0.0
        self.processor_started = time.process_time()

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.started = self.written = time.monotonic()
        self.processor_started = time.process_time()

    def training_seconds(self) -> float:
        """Returns the seconds of training of the run, with those before it was continued."""
        return self.seconds_before + time.monotonic() - self.started

    def processor_seconds(self) -> float | None:
        """Returns the seconds that the processor spent on this process and its threads in training, with those before
        the run was continued; None if these are unknown."""
        if self.processor_seconds_before is None:
            return None
        return self.processor_seconds_before + time.process_time() - self.processor_started

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.training_seconds(), "processor_seconds": self.processor_seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds_before = state_dict["seconds"]
        self.processor_seconds_before = state_dict.get("processor_seconds")  # earlier versions did not count them

    def next_due(self, images_seen: int) -> float:
        return self.moments.next_due(images_seen)  # visits are short enough for the clock

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if module.images_seen >= module.budget_images:
            return  # on_train_end writes it after the last rows and pictures, which a continued run would make again
        is_late = time.monotonic() - self.written > self.seconds
        time_is_up = self.seconds < math.inf and self.agreement.name(is_late)
        if time_is_up or self.moments.due(module):
            self.write(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.agreement.end()
        self.write(trainer, module)

    def write(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Writes last.ckpt in the first process, with the states of all processes."""
        module.settle()
        self.agreement.end()  # what processes named in this step would let them write once more in the next
        self.written = time.monotonic()
        own_state = {"callbacks": states(trainer), "data": data_state(trainer), "latest": module.latest}
        states_of_processes = gather_objects(own_state)
        if trainer.is_global_zero:
            folder = Path(trainer.default_root_dir) / "checkpoints"
            scaler = {"precision": trainer.precision_plugin.state_dict()}  # the loss scale of 16-mixed
            checkpoint.save(folder / "last.ckpt", state(module) | scaler | {"processes": states_of_processes},
                            before=lambda: checkpoint.keep_newest(folder, self.keep))


def states(trainer: pl.Trainer) -> dict[str, Any]:
    """Returns the states of the callbacks that have one, by the names of their classes."""
    callbacks = [each for callback in trainer.callbacks for each in getattr(callback, "callbacks", [callback])]
    return {type(callback).__name__: own_state for callback in callbacks if (own_state := callback.state_dict())}


def data_state(trainer: pl.Trainer) -> dict[str, Any]:
    """Returns the state of the data beside its position, which is images_seen; usually it is empty."""
    return trainer.datamodule.state_dict() if trainer.datamodule else {}


def state(module: AdversarialModule) -> dict[str, Any]:
    """Returns the part of a checkpoint that all processes share: settings, game and optimizers."""
    return {
        "format": FORMAT,
        **module.provenance,
        "images_seen": module.images_seen,
        "threads": torch.get_num_threads(),
        "module": module.state_dict(),
        "optimizers": module.players_optimizers.states(each.optimizer for each in module.optimizers()),
    }
