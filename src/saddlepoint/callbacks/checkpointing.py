"""checkpoints/last.ckpt: everything a run is, from which sampling and training can be rebuilt."""

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from saddlepoint import checkpoint
from saddlepoint.callbacks.moments import Moments
from saddlepoint.modules.adversarial import AdversarialModule

FORMAT = 1


class Checkpointing(pl.Callback):
    """Writes last.ckpt every `every_images` images, every `every_minutes` and at the end, always after a whole step."""

    def __init__(self, every_images: int | None, every_minutes: float | None = None):
        self.moments = Moments(every_images)
        self.seconds = math.inf if every_minutes is None else 60 * every_minutes

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.written = time.monotonic()

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        due = self.moments.due(module.images_before, module.images_seen)
        if due or time.monotonic() - self.written > self.seconds:
            self.write(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.write(trainer, module)

    def write(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        if trainer.is_global_zero:
            checkpoint.save(Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt", state(module))
        self.written = time.monotonic()


def state(module: AdversarialModule) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **module.provenance,
        "images_seen": module.images_seen,
        "module": module.state_dict(),
        "optimizers": [optimizer.optimizer.state_dict() for optimizer in module.optimizers()],
    }
