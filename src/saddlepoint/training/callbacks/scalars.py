"""Writes the curves of training to metrics.csv and the loggers: means over the steps since the row before. All are read
from the device at once."""

import math
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint.errors import Diverged
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.networks import PLAYERS
from saddlepoint.parallel.collectives import global_mean
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.pace import Pace, set_pace
from saddlepoint.training.callbacks.step_means import StepMeans, curves
from saddlepoint.training.callbacks.table import add_points

POINTS = 200  # of every_images=auto: rows over the budget, or one for each step where it has fewer


class Scalars(pl.Callback):
    """A callback that writes the terms of both losses, mean logits, D's accuracy, schedules and throughput.

    every_images: images between two rows; `auto`: 200 of them over the budget, or one for each step where there are
        fewer; None: only one row at the end
    average: True for means over the steps since the row before; False for values of the newest step, terms that it has
        not computed being those of an earlier one. Schedules are those of the newest step in any case.

    D's accuracy is the mean of two shares: of reals on the real side of the loss's boundary, and of fakes on the other.
    If only differences of logits count, it is the share of pairs (real, fake) with the greater logit for the real
    image. It is 0.5 at equilibrium.
    """

    setting = "callbacks.scalars"

    def __init__(self, every_images: Pace, average: bool = True):
        self.moments, self.average = Every(every_images), average
        self.written_at = -1
        self.means = StepMeans()

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.written_at, self.clock = module.images_seen, time.perf_counter()
        set_pace(self.moments, self.setting, module, POINTS)
        if self.average:
            self.means.to(module.device)  # restored on the CPU
            module.after_each_step.append(self.add)

    def next_due(self, images_seen: int) -> float:
        return self.moments.next_due(images_seen)

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.moments.due(module):
            self.write(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        ended = module.images_seen >= module.budget_images  # after a signal, the run that goes on writes its own rows
        if ended and module.images_seen != self.written_at:
            self.write(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return self.means.state_dict() | self.moments.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.moments.load_state_dict(state_dict)
        if "counts" in state_dict:  # else an earlier version wrote it, and the row begins with the steps from here on
            self.means.load_state_dict(state_dict)

    def add(self, module: AdversarialModule) -> None:
        """Adds the newest step to the means."""
        self.means.add(module.newest, module.loss)

    def write(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Writes a row of means over the processes. Raises Diverged if one of them is not finite."""
        values = self.row(module) | schedules(module)
        now = time.perf_counter()
        values["throughput/images_per_second"] = (module.images_seen - self.written_at) / (now - self.clock)
        self.written_at, self.clock = module.images_seen, now
        refuse_divergence(values, module.images_seen)
        add_points(trainer, module.images_seen, values)

    def row(self, module: AdversarialModule) -> dict[str, float]:
        """Returns the values of all curves that have one."""
        found = self.means.take(module.loss) if self.average else newest(module)
        if not found:
            return {}
        means = global_mean(torch.stack([*found.values()]))
        return dict(zip(found, means.tolist(), strict=True))


def newest(module: AdversarialModule) -> dict[str, Tensor]:
    """Returns the values [] of all curves, of the newest step that has them."""
    return {name: values[0] for name, values in curves({name: tensor[None] for name, tensor in module.latest.items()},
                                                       module.loss)}


def refuse_divergence(values: dict[str, float], images_seen: int) -> None:
    """Raises Diverged if a value is not finite."""
    not_finite = [name for name, value in values.items() if not math.isfinite(value)]
    if not_finite:
        raise Diverged(f"Diverged: {', '.join(not_finite)} not finite after {images_seen:,} images. Try a lower "
                       "optimizer.generator.lr and optimizer.discriminator.lr")


def schedules(module: AdversarialModule) -> dict[str, float]:
    """Returns the present learning rates, and the present values of optimizers' and tricks' settings that change."""
    values = {f"schedule/{player}.lr": rates[0]
              for player, rates in zip(PLAYERS, module.players_optimizers.rates, strict=True)}
    for player, settings in zip(PLAYERS, module.players_optimizers.present(module.images_seen), strict=True):
        for name, value in settings.items():
            several = value if isinstance(value, tuple) else ()
            values |= {f"schedule/{player}.{name}.{index}": each for index, each in enumerate(several)}
            if not several and name != "lr":
                values[f"schedule/{player}.{name}"] = value
    for trick_name, trick in module.tricks.items():
        for setting, schedule in trick.schedules().items():
            values[f"schedule/{trick_name}.{setting}"] = schedule(module.images_seen)
    return values
