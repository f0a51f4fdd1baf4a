"""checkpoints/last.ckpt: everything a run is, from which drawing and training can be rebuilt, and those before it."""

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from saddlepoint.config.rules import Count, Positive
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.parallel.collectives import gathered_objects, largest
from saddlepoint.runs import checkpoint
from saddlepoint.runs.checkpoint import FORMAT
from saddlepoint.training.callbacks.every import Every


class Checkpointing(pl.Callback):
    """Writes last.ckpt every `every_images` images, every `every_minutes` and at the end, always after a whole step and
    after all other callbacks, whose states are in it. The newest `keep` stay: last.ckpt, last-1.ckpt, ..."""

    def __init__(self, every_images: Count | None, every_minutes: Positive | None = None, keep: Count = 2):
        self.moments, self.keep = Every(every_images), keep
        self.seconds = math.inf if every_minutes is None else 60 * every_minutes
        self.before, self.started = 0.0, time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.started = self.written = time.monotonic()

    def training_seconds(self) -> float:
        """Of this process and those whose run it goes on with"""
        return self.before + time.monotonic() - self.started

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.training_seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.before = state_dict["seconds"]

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if module.images_seen >= module.budget_images:
            return  # the end writes it, when the last rows and pictures are there: a run that goes on makes them again
        late = self.seconds < math.inf and largest(time.monotonic() - self.written > self.seconds)
        if late or self.moments.due(module.images_before, module.images_seen):
            self.write(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.write(trainer, module)

    def write(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.written = time.monotonic()
        own = {"callbacks": states(trainer), "data": data_state(trainer), "latest": module.latest}
        remembered = gathered_objects(own)
        if trainer.is_global_zero:
            folder = Path(trainer.default_root_dir) / "checkpoints"
            scaler = {"precision": trainer.precision_plugin.state_dict()}  # of 16-mixed: the factor of its losses
            checkpoint.save(folder / "last.ckpt", state(module) | scaler | {"processes": remembered},
                            before=lambda: checkpoint.keep_newest(folder, self.keep))


def states(trainer: pl.Trainer) -> dict[str, Any]:
    """What callbacks remember from step to step, by class"""
    everyone = [each for callback in trainer.callbacks for each in getattr(callback, "callbacks", [callback])]
    return {type(callback).__name__: remembered for callback in everyone if (remembered := callback.state_dict())}


def data_state(trainer: pl.Trainer) -> dict[str, Any]:
    """Of data that remembers more than its position, which is images_seen"""
    return trainer.datamodule.state_dict() if trainer.datamodule else {}


def state(module: AdversarialModule) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **module.provenance,
        "images_seen": module.images_seen,
        "threads": torch.get_num_threads(),
        "module": module.state_dict(),
        "optimizers": [optimizer.optimizer.state_dict() for optimizer in module.optimizers()],
    }
