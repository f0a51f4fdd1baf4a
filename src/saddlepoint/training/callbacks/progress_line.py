"""Shows the progress of training: a bar on a terminal and in a notebook, plain lines elsewhere."""

import math
import sys
import time

import pytorch_lightning as pl
from tqdm import tqdm

from saddlepoint.config.rules import Positive
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.progress.bars import make_bar

BAR_SECONDS = 0.2


class Progress(pl.Callback):
    """A callback that shows the images seen of the budget, images/s, both losses and the time left; where no bar can
    move, as a line every `line_seconds`. Losses are read from the device only when they are shown."""

    def __init__(self, line_seconds: Positive):
        self.line_seconds = line_seconds

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.is_shown = trainer.is_global_zero
        if not self.is_shown:
            return
        self.budget = module.budget_images
        self.started_at, self.started = module.images_seen, time.perf_counter()
        self.bar = make_bar(total=self.budget, initial=module.images_seen, unit=" images", unit_scale=True,
                            mininterval=0)
        self.seconds = self.line_seconds if self.bar.disable else BAR_SECONDS
        self.next = self.started + self.seconds

    def next_due(self, images_seen: int) -> float:
        return math.inf  # by the clock alone

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.is_shown and time.perf_counter() >= self.next:
            self.show(module)
            self.next = time.perf_counter() + self.seconds

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        if self.is_shown:
            self.show(module)
            self.bar.close()

    def show(self, module: AdversarialModule) -> None:
        """Updates the bar, or prints a line."""
        losses = " ".join(
            f"{letter} {module.latest[name].item():.3f}"
            for letter, name in (("D", "discriminator/total"), ("G", "generator/total")) if name in module.latest
        )
        if not self.bar.disable:
            self.bar.set_postfix_str(losses, refresh=False)
            self.bar.update(module.images_seen - self.bar.n)
            self.bar.refresh()
            return
        rate = (module.images_seen - self.started_at) / max(time.perf_counter() - self.started, 1e-9)
        seconds_left = max(self.budget - module.images_seen, 0) / max(rate, 1e-9)
        print(f"{module.images_seen:,} of {self.budget:,} images, {rate:,.0f} images/s, loss {losses}, "
              f"{tqdm.format_interval(seconds_left)} left", file=sys.stderr, flush=True)
