"""Keeps the best state of a run, checkpoints/best.ckpt, by a value of which a greater one is better."""

import math
import sys
from pathlib import Path
from typing import Protocol

import pytorch_lightning as pl
from tqdm import tqdm

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.runs import checkpoint
from saddlepoint.training.callbacks.checkpointing import state


class HasBest(Protocol):
    """A callback that measures.

    best: the greatest value so far; None: there is none yet
    best_of: what it was measured on and how; None: nobody knows
    """

    best: float | None
    best_of: str | None
    acted_at: int  # images seen


def keep_greatest(callback: HasBest, trainer: pl.Trainer, module: AdversarialModule, name: str, value: float,
                  measured_on: str) -> None:
    """Writes checkpoints/best.ckpt if the value is the greatest so far of those that were measured alike, or if the
    file is not there."""
    if callback.best_of not in (None, measured_on):
        tqdm.write(f"note: the best {name} so far is of other images or was measured otherwise, and does not compare; "
                   "checkpoints/best.ckpt begins anew", file=sys.stderr)
        callback.best = None
    callback.best_of = measured_on
    path = Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt"
    if math.isfinite(value) and (callback.best is None or value > callback.best or not path.exists()):
        callback.best = value
        best = {"name": name, "value": value, "images_seen": callback.acted_at}
        checkpoint.save(path, state(module) | {"best": best})
