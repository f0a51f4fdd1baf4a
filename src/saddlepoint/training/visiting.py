"""Hands Lightning's loop visits of several steps in place of batches."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl

from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.callback_group import listens
from saddlepoint.game.visits import HOOKS, Visit, all_say_when, members


def in_visits(data: ImageDataModule, callbacks: list[pl.Callback], steps: int | str) -> pl.LightningDataModule:
    """Returns what Lightning trains on: the data in visits of so many steps (`auto`: until a callback is due or the
    time is up), or the data itself, batch by batch, if some callback does not say when it is due."""
    return InVisits(data, callbacks, None if steps == "auto" else steps) if all_say_when(callbacks) else data


class InVisits(pl.LightningDataModule):
    """A data set whose batches Lightning does not see: it gets a visit, which takes them itself."""

    def __init__(self, data: ImageDataModule, callbacks: list[pl.Callback], steps: int | None):
        super().__init__()
        self.data, self.steps = data, steps
        self.callbacks = [each for each in members(callbacks) if listens(each, HOOKS)]
        self.visit: Visit | None = None

    def train_dataloader(self) -> Iterator[Visit]:
        self.data.trainer = self.trainer
        self.visit = Visit(iter(self.data.train_dataloader()), self.transfer, self.callbacks, self.steps)
        return Repeated(self.visit)

    def transfer(self, batch: Any) -> Any:
        """Brings a batch to the device that trains, as Lightning does."""
        data, device = self.data, self.trainer.strategy.root_device
        batch = data.on_before_batch_transfer(self.trainer.precision_plugin.convert_input(batch), 0)
        return data.on_after_batch_transfer(data.transfer_batch_to_device(batch, device, 0), 0)

    def state_dict(self) -> dict[str, Any]:
        return self.data.state_dict()

    def teardown(self, stage: str) -> None:
        if self.visit:
            self.visit.end()


class Repeated:
    """The same visit again and again. Lightning asks for the next one before the present one has begun."""

    def __init__(self, visit: Visit):
        self.visit = visit

    def __iter__(self) -> Iterator[Visit]:
        return itertools.repeat(self.visit)
