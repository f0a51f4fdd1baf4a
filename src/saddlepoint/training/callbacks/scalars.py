"""Curves: metrics.csv and the logger. Every tensor that training left behind is read at once, every n-th image only."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint.config.rules import Count
from saddlepoint.errors import Diverged
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.parallel.collectives import gathered, global_mean
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.table import Table


class Scalars(pl.Callback):
    """Terms of both losses, mean scores, D's accuracy, schedules and throughput, at steps `every_images` apart.

    D's accuracy is the share of reals on the real side of the loss's boundary and of fakes on the other, averaged;
    where only differences of logits count, the share of (real, fake) pairs ranked right. 0.5 at equilibrium.

    `average`: the terms of both losses are means over the steps since the row before, as papers that print one error an
    epoch have them; everything else is still of the newest step.
    """

    def __init__(self, every_images: Count | None, average: bool = False):
        self.moments, self.average = Every(every_images), average
        self.written_at = -1
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.table = Table(Path(trainer.default_root_dir) / "metrics.csv") if trainer.is_global_zero else None
        self.written_at, self.clock = module.images_seen, time.perf_counter()

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.average:
            self.add(module)
        if self.moments.due(module.images_before, module.images_seen):
            self.write(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        ended = module.images_seen >= module.budget_images  # after a signal, the run that goes on writes its own rows
        if ended and module.images_seen != self.written_at:
            self.write(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums, self.steps = dict(state_dict["sums"]), state_dict["steps"]

    def add(self, module: AdversarialModule) -> None:
        self.steps += 1
        for name, tensor in module.latest.items():
            if not name.startswith("logits/"):
                self.sums[name] = self.sums[name] + tensor if name in self.sums else tensor

    def write(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        means = {name: total / self.steps for name, total in self.sums.items()}
        names, tensors = zip(*(dict(measured(module)) | means).items(), strict=True)
        self.sums, self.steps = {}, 0
        together = global_mean(torch.stack([tensor.float() for tensor in tensors]))
        values = dict(zip(names, together.tolist(), strict=True))
        values |= schedules(module)
        now = time.perf_counter()
        values["throughput/images_per_second"] = (module.images_seen - self.written_at) / (now - self.clock)
        self.written_at, self.clock = module.images_seen, now
        refuse_divergence(values, module.images_seen)
        for logger in trainer.loggers:
            logger.log_metrics(values, step=module.images_seen)
        if self.table:
            self.table.add({"images_seen": module.images_seen} | values)


def refuse_divergence(values: dict[str, float], images_seen: int) -> None:
    lost = [name for name, value in values.items() if not math.isfinite(value)]
    if lost:
        raise Diverged(f"Diverged: {', '.join(lost)} not finite after {images_seen:,} images. Try a lower "
                       "optimizer.generator.lr and optimizer.discriminator.lr")


def measured(module: AdversarialModule) -> Iterator[tuple[str, Tensor]]:
    """(tag, scalar) of everything the newest step left behind; scores are those of all processes"""
    logits = {}
    for name, tensor in module.latest.items():
        if name.startswith("logits/"):
            logits[name.removeprefix("logits/")] = gathered(tensor)
        else:
            yield name, tensor.mean()
    for side, scores in logits.items():
        yield f"score/{side}", scores.mean()
        probability = module.loss.probability(scores)
        if probability is not None:
            yield f"probability/{side}", probability.mean()
    if len(logits) == 2:
        yield "score/accuracy", accuracy(logits["real"], logits["fake"], module.loss.boundary)


def accuracy(real: Tensor, fake: Tensor, boundary: float | None) -> Tensor:
    if boundary is None:
        return (real.flatten()[:, None] > fake.flatten()).float().mean()
    return ((real > boundary).float().mean() + (fake < boundary).float().mean()) / 2


def schedules(module: AdversarialModule) -> dict[str, float]:
    """Learning rates and the tricks' changing settings, as they are now."""
    values = {
        f"schedule/{player}.lr": optimizer.param_groups[0]["lr"]
        for player, optimizer in zip(("generator", "discriminator"), module.optimizers(), strict=True)
    }
    for trick_name, trick in module.tricks.items():
        for setting, schedule in trick.schedules().items():
            values[f"schedule/{trick_name}.{setting}"] = schedule(module.images_seen)
    return values
