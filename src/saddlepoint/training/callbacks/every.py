"""Decides when a callback acts, by the number of images seen alone, so that a resumed run acts at the same moments."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytorch_lightning as pl

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.training.callbacks.looking import Looks


class Every:
    """The moments of a callback, in images seen: every `every_images` images (None: never) and each number in `at`."""

    def __init__(self, every_images: int | None, at: Sequence[int] = ()):
        self.every_images, self.at = every_images, tuple(at)

    def due(self, module: AdversarialModule) -> bool:
        """Returns whether there is a moment in the newest step. If so, all steps so far are known to be finite."""
        is_due = self.is_between(module.images_before, module.images_seen)
        if is_due:
            module.settle()
        return is_due

    def next_due(self, images_seen: int) -> float:
        """Returns the first moment after `images_seen`; infinity if there is none."""
        coming = [moment for moment in self.at if moment > images_seen]
        if self.every_images:
            coming.append((images_seen // self.every_images + 1) * self.every_images)
        return min(coming, default=math.inf)

    def is_between(self, before: int, after: int) -> bool:
        """Returns whether there is a moment after `before` and up to `after` images seen."""
        is_listed = any(before < moment <= after for moment in self.at)
        return is_listed or bool(self.every_images) and before // self.every_images < after // self.every_images


class AtMoments(Looks, pl.Callback, ABC):
    """A callback that acts at moments of training, and at its end if the budget is used up.

    every_images: images between two moments; None: none but those listed and the end
    moments: numbers of images seen at which it acts as well; 0 is before the first step
    """

    def __init__(self, every_images: int | None, moments: Sequence[int]):
        self.moments = Every(every_images, moments)
        self.acted_at = -1  # images seen when it acted last

    def begin(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Prepares, before the first step of this process, for all that follows."""

    @abstractmethod
    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Does what is due now, in the first process only; `acted_at` is already set."""

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.begin(trainer, module)
        if 0 in self.moments.at and module.images_seen == 0:  # this moment comes after no batch
            self._act(trainer, module)

    def next_due(self, images_seen: int) -> float:
        return self.moments.next_due(images_seen)

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.moments.due(module):
            self._act(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        ended = module.images_seen >= module.budget_images  # after a signal there is no time
        if ended and module.images_seen != self.acted_at:
            self._act(trainer, module)

    def _act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.acted_at = module.images_seen
        if trainer.is_global_zero:
            with self.looking(module):
                self.act(trainer, module)
