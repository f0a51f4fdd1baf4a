"""How Lightning's loop makes steps: several in a visit, and on a GPU, if asked for, by recordings of them."""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.game import optimizers
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.callback_group import listens
from saddlepoint.game.cuda_graphs import CudaGraphs
from saddlepoint.game.recording import Recorder
from saddlepoint.game.visits import HOOKS, Visit, all_say_when, members


def in_visits(data: ImageDataModule, module: AdversarialModule, callbacks: list[pl.Callback], steps: int | str,
              ) -> pl.LightningDataModule:
    """Returns what Lightning trains on: the data in visits of so many steps (`auto`: until a callback is due or the
    time is up), or the data itself, batch by batch, if some callback does not say when it is due, or a game of the
    user's own is called around a batch."""
    is_called = any(getattr(type(module), hook) is not getattr(pl.LightningModule, hook) for hook in HOOKS)
    if is_called or not all_say_when(callbacks):
        return data
    return InVisits(data, callbacks, None if steps == "auto" else steps)


def record(module: AdversarialModule, settings: Mapping[str, Any], device: torch.device,
           callbacks: Sequence[pl.Callback]) -> None:
    """Lets the game record its steps as CUDA graphs. Raises a RequestError where the recipe does not let it; a callback
    that acts within updates keeps it from recording, which is said."""
    refuse_unrecordable(settings, module)
    if within := [type(each).__name__ for each in members(callbacks) if listens(each, optimizers.HOOKS)]:
        say(f"note: steps are not recorded (trainer.record=true), since {' and '.join(within)} is called within each "
            "update, which a recording leaves no time for")
        return
    module.recorder = Recorder(CudaGraphs(device), say)


def refuse_unrecordable(settings: Mapping[str, Any], module: AdversarialModule) -> None:
    """Raises a RequestError with every reason why no step of a recipe can be recorded."""
    reasons = []
    if settings["model"]["turns"]["scoring"] == "half":
        reasons.append("model.turns.scoring=half lets the host look between two updates on one batch: type "
                       "model.turns.scoring=separate")
    if settings["precision"] == "16-mixed":
        reasons.append("precision=16-mixed lets the host scale the losses: type precision=bf16-mixed")
    if waiting := module.players_optimizers.waiting:
        reasons.append(f"{' and '.join(waiting)} cannot leave out an update by itself, so the host waits in each: type "
                       "optimizer=adam, or optimizer=sgd with optimizer.generator.fused=true "
                       "optimizer.discriminator.fused=true")
    if changing := module.players_optimizers.fixed_in_recordings:
        reasons.append(f"{' and '.join(changing)} changes over training, and a recorded step has it as a plain number: "
                       "type a number")
    if reasons:
        raise RequestError("\n".join(f"trainer.record=true cannot record a step: {reason}. Or type "
                                     "trainer.record=false" for reason in reasons))


def say(note: str) -> None:
    tqdm.write(note, file=sys.stderr)


class InVisits(pl.LightningDataModule):
    """A data set whose batches Lightning does not see: it gets a visit, which takes them itself."""

    def __init__(self, data: ImageDataModule, callbacks: list[pl.Callback], steps: int | None):
        super().__init__()
        self.data, self.steps = data, steps
        self.callbacks = [each for each in members(callbacks) if listens(each, HOOKS)]
        self.visit: Visit | None = None

    def train_dataloader(self) -> Iterator[Visit]:
        self.data.trainer = self.trainer
        batches, processes = batches_of(self.data.train_dataloader())
        self.visit = Visit(batches, self.transfer, self.callbacks, self.steps)
        return Repeated(self.visit, processes)

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


def batches_of(loader: DataLoader) -> tuple[Iterator[Any], Iterator[Any] | None]:
    """Returns the batches of a loader, and torch's iterator over it if other processes or threads load them. Those that
    this process gathers go without torch's bookkeeping."""
    if loader.num_workers or loader.pin_memory:
        iterator = iter(loader)
        return one_ahead(iterator), iterator
    return (loader.collate_fn(loader.dataset.__getitems__(positions)) for positions in loader.batch_sampler), None


def one_ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """Yields the batches, each when the next one is there as well, as Lightning does it: a signal in the first step
    would else find a process that has only begun, and end it."""
    coming = next(batches)
    for batch in batches:
        yield coming
        coming = batch


class Repeated:
    """The same visit again and again. Lightning asks for the next one before the present one has begun.

    When training ends, in whichever way, Lightning ends the processes of torch's iterator, which it looks for under
    the name that torch's loaders have for it.
    """

    def __init__(self, visit: Visit, processes: Iterator[Any] | None):
        self.visit, self._iterator = visit, processes

    def __iter__(self) -> Iterator[Visit]:
        return itertools.repeat(self.visit)
