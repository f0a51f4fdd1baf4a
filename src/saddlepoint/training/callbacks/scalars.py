"""Writes the curves of training to metrics.csv and the loggers. At intervals, all tensors of the newest step are read
at once."""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint.config.rules import Count
from saddlepoint.errors import Diverged
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.networks import PLAYERS
from saddlepoint.parallel.collectives import gather, global_mean
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.table import Table


class Scalars(pl.Callback):
    """A callback that writes the terms of both losses, mean scores, D's accuracy, schedules and throughput.

    every_images: images between two rows; None: only one row at the end
    average: True for means of the loss terms over the steps since the row before, as papers have them that print one
        error an epoch; False for the newest step. All other curves are of the newest step.

    D's accuracy is the mean of two shares: of reals on the real side of the loss's boundary, and of fakes on the other.
    If only differences of logits count, it is the share of pairs (real, fake) with the greater logit for the real
    image. It is 0.5 at equilibrium.
    """

    def __init__(self, every_images: Count | None, average: bool = False):
        self.moments, self.average = Every(every_images), average
        self.written_at = -1
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.table = Table(Path(trainer.default_root_dir) / "metrics.csv") if trainer.is_global_zero else None
        self.written_at, self.clock = module.images_seen, time.perf_counter()
        self.sums = {name: total.to(module.device) for name, total in self.sums.items()}  # restored on the CPU

    def next_due(self, images_seen: int) -> float:
        return images_seen + 1 if self.average else self.moments.next_due(images_seen)

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.average:
            self.add(module)
        if self.moments.due(module):
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
        """Adds the loss terms of the newest step to the sums."""
        self.steps += 1
        for name, tensor in module.latest.items():
            if not name.startswith("logits/"):
                self.sums[name] = self.sums[name] + tensor if name in self.sums else tensor

    def write(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Writes a row of means over the processes. Raises Diverged if one of them is not finite."""
        means = {name: total / self.steps for name, total in self.sums.items()}
        names, tensors = zip(*(dict(scalars(module)) | means).items(), strict=True)
        self.sums, self.steps = {}, 0
        means_of_processes = global_mean(torch.stack([tensor.float() for tensor in tensors]))
        values = dict(zip(names, means_of_processes.tolist(), strict=True))
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
    """Raises Diverged if a value is not finite."""
    not_finite = [name for name, value in values.items() if not math.isfinite(value)]
    if not_finite:
        raise Diverged(f"Diverged: {', '.join(not_finite)} not finite after {images_seen:,} images. Try a lower "
                       "optimizer.generator.lr and optimizer.discriminator.lr")


def scalars(module: AdversarialModule) -> Iterator[tuple[str, Tensor]]:
    """Yields the tags and scalars of the newest step. Scores are over the images of all processes."""
    logits = {}
    for name, tensor in module.latest.items():
        if name.startswith("logits/"):
            logits[name.removeprefix("logits/")] = gather(tensor)
        else:
            yield name, tensor.mean()
    for side, scores in logits.items():
        yield f"score/{side}", scores.mean()
        probability = module.loss.probability(scores)
        if probability is not None:
            yield f"probability/{side}", probability.mean()
    for contest, real, fake in pairs_of_sides(logits):
        yield f"score/{contest}accuracy", accuracy(real, fake, module.loss.boundary)


def pairs_of_sides(logits: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yields for each contest with logits of both sides the beginning of its names ("" or "<contest>.") and the logits
    of reals and of fakes."""
    for side, real in logits.items():
        contest, name = side[:-len("real")], side[-len("real"):]
        if name == "real" and (fake := logits.get(f"{contest}fake")) is not None:
            yield contest, real, fake


def accuracy(real: Tensor, fake: Tensor, boundary: float | None) -> Tensor:
    """Returns D's accuracy, 0 to 1; without a boundary, the share of pairs in which the real image has the greater
    logit."""
    if boundary is None:
        return (real.flatten()[:, None] > fake.flatten()).float().mean()
    return ((real > boundary).float().mean() + (fake < boundary).float().mean()) / 2


def schedules(module: AdversarialModule) -> dict[str, float]:
    """Returns the present learning rates and the present values of tricks' settings that change during training."""
    values = {f"schedule/{player}.lr": rates[0]
              for player, rates in zip(PLAYERS, module.players_optimizers.rates, strict=True)}
    for trick_name, trick in module.tricks.items():
        for setting, schedule in trick.schedules().items():
            values[f"schedule/{trick_name}.{setting}"] = schedule(module.images_seen)
    return values
