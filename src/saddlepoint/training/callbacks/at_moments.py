"""The base of callbacks that look at a run at intervals and at its end."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.looking import Looks
from saddlepoint.training.callbacks.pace import set_pace


class AtMoments(Looks, pl.Callback, ABC):
    """A callback that acts at moments of training, and at its end if the budget is used up.

    every_images: images between two moments; `auto`: so many that there are `looks` over the budget (pace.py); None:
        none but those listed and the end
    moments: numbers of images seen at which it acts as well; 0 is before the first step
    """

    looks = 20  # over the budget, with every_images=auto

    def __init__(self, every_images: int | str | None, moments: Sequence[int]):
        self.moments = Every(every_images, moments)
        self.acted_at = -1  # images seen when it acted last

    def begin(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Prepares, before the first step of this process, for all that follows."""

    def pace(self, module: AdversarialModule) -> None:
        """Puts a number in the place of every_images=auto."""
        set_pace(self.moments, self.setting, module, self.looks)

    @abstractmethod
    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Does what is due now, in the first process only; `acted_at` is already set."""

    def state_dict(self) -> dict[str, Any]:
        return self.moments.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.moments.load_state_dict(state_dict)

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.begin(trainer, module)
        self.pace(module)
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
