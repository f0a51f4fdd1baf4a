"""One run from its settings to its results: data, game, Lightning's loop, and the files that stay."""

import logging
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from saddlepoint import build
from saddlepoint.config.spelling import readable
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import Diverged, RequestError, RollBack, Stopped
from saddlepoint.files import disk_space
from saddlepoint.files.outputs import require_writable
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.callback_group import CallbackGroup
from saddlepoint.parallel import launching
from saddlepoint.parallel.batchnorm import synchronise_batchnorm
from saddlepoint.parallel.collectives import alone
from saddlepoint.parallel.first import is_first, only_the_first_speaks
from saddlepoint.runs import data_identity, resuming
from saddlepoint.runs.directory import Onlooker, RunDirectory, new_path
from saddlepoint.runs.resuming import Continuation
from saddlepoint.training import restoring
from saddlepoint.training.callbacks.checkpointing import Checkpointing
from saddlepoint.training.callbacks.stopping import Budget, StopOnSignal
from saddlepoint.training.first_weights import initialise
from saddlepoint.training.loggers import adapters
from saddlepoint.training.results import announce, conclude, cost, export


class Trainer(pl.Trainer):
    """Lightning's, told where to write after it was made: by then the processes, which it starts, have agreed."""

    directory = Path()

    @property
    def default_root_dir(self) -> str:
        return str(self.directory)


def train(settings: Mapping[str, Any], directory: Path | None = None, going_on: Continuation | None = None) -> Path:
    """Train to the end of the budget -> the run directory. `directory` is a sweep's, used when run.dir says nothing;
    `going_on` is the run to go on with, whose settings are given."""
    if going_on and going_on.saved["images_seen"] >= settings["budget"]["images"] and going_on.run.is_completed:
        print(f"{going_on.run.path} has seen its {going_on.saved['images_seen']:,} images: type a larger "
              "budget.images= to go on")
        going_on.run.close()
        return going_on.run.path
    try:
        quieten_lightning()
        if settings["threads"]:
            torch.set_num_threads(settings["threads"])
        trainer = make_trainer(settings, sweeping=directory is not None)
        with launching.together(trainer):
            while True:
                launching.connect(trainer)
                try:
                    return _train(settings, trainer, directory, going_on)
                except RollBack as end:
                    with only_the_first_speaks():
                        going_on = resuming.rolled_back(trainer.directory, settings, end)
                trainer = make_trainer(settings, sweeping=directory is not None)
    finally:
        if going_on:
            going_on.run.close()


def _train(settings: Mapping[str, Any], trainer: Trainer, directory: Path | None,
           going_on: Continuation | None) -> Path:
    with only_the_first_speaks():
        if not going_on:
            root = expanded(settings["run"]["dir"] or directory or "runs", "run.dir")
            require_writable(root / "config.yaml", f"run.dir={root}")
        module, data, callbacks = prepare(settings, trainer, going_on)
        run = open_run(settings, directory, going_on)
    stop = next(callback for callback in callbacks if isinstance(callback, StopOnSignal))
    trainer.directory, trainer.callbacks = run.path, [CallbackGroup(callbacks)]
    try:
        trainer.loggers = adapters.make_loggers(settings, run.path, module.images_seen)
        if going_on and is_first():
            resuming.cut_back(run, module.images_seen)
        run.describe(to_yaml(settings), settings["seed"], torch.get_num_threads(), module.provenance["data"])
        run.write_status("running")
        adapters.begin(trainer.loggers, settings, run)
        announce(settings, module, data, run)
        if module.images_seen < module.budget_images:  # else only what comes after the last checkpoint is missing
            trainer.fit(module, data)
        run.write_metrics({"cost": cost(module, callbacks[-1].training_seconds())})
        export(module, run)
        conclude(run, module, stop)
        adapters.finish(trainer.loggers, settings, run, "completed", module.images_seen)
    except (Stopped, Diverged) as end:
        state = type(end).__name__.lower()
        run.write_status(state, str(end), module.images_seen)
        adapters.finish(trainer.loggers, settings, run, state, module.images_seen)
        run.close()
        stop.hand_on()
        raise
    except BaseException as error:
        reason = disk_space.behind(error) or f"{type(error).__name__}: {error}"
        run.write_status("failed", str(reason), module.images_seen)
        raise
    finally:
        run.close()
    return run.path


def make_trainer(settings: Mapping[str, Any], sweeping: bool) -> Trainer:
    """Nothing is written yet: what cannot run is refused before there is a directory."""
    accelerator = settings["trainer"]["accelerator"]
    with only_the_first_speaks():
        if settings["precision"] == "16-mixed" and (accelerator == "cpu" or not torch.cuda.is_available()):
            raise RequestError("precision=16-mixed needs a GPU: type precision=bf16-mixed or precision=32-true")
        try:
            trainer = Trainer(
                accelerator=accelerator, precision=settings["precision"], **launching.processes(settings, sweeping),
                max_epochs=1,  # the stream of batches has no end; the budget ends it
                logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                use_distributed_sampler=False, num_sanity_val_steps=0,
            )
        except MisconfigurationException as error:
            raise RequestError(f"trainer.accelerator={accelerator} cannot be used here: {error} "
                               "Type trainer=cpu or trainer=auto") from error
    return trainer


def prepare(settings: Mapping[str, Any], trainer: Trainer, going_on: Continuation | None,
            ) -> tuple[AdversarialModule, pl.LightningDataModule, list[pl.Callback]]:
    """-> the game, its data, and who watches, `Checkpointing` last: it saves what the others know"""
    adapters.refuse_missing(settings)
    data = build.data(settings)
    trained_on = going_on.saved.get("data") if going_on else None
    data.expected_classes = data_identity.classes_of(going_on.saved) if going_on else ()
    launching.one_after_the_other(trainer, partial(open_data, data))
    source = None if going_on else settings["model"].get("initialise")
    module = build.module(settings, partial(initialise, source=source) if source else None)
    module.provenance["data"] = data.identity()
    if going_on:
        module.provenance["data"] = data_identity.continued_identity(trained_on, data.identity())
        restoring.warn_of_other_data(trained_on, data)
    watching = [*build.callbacks(settings, data, module), Budget(settings["budget"]["images"]), StopOnSignal()]
    callbacks = sorted(watching, key=lambda callback: isinstance(callback, Checkpointing))
    data.real_images_per_step = module.turns.real_images(data.batch_size)
    data.refuse_unequal_shares(trainer.world_size)
    if going_on:
        restoring.restore(module, data, callbacks, going_on.saved)
        restoring.warn_of_threads(going_on.saved)
        trainer.precision_plugin.load_state_dict(going_on.saved["precision"])
    data.start_at(module.images_seen)
    module.budget_images = settings["budget"]["images"]
    if settings["trainer"]["synchronise_batchnorm"] and not alone():
        synchronise_batchnorm(module)
    if settings["trainer"]["channels_last"]:
        module.to(memory_format=torch.channels_last)
    if data.num_classes:
        module.follow_classes(data.class_counts)
        module.provenance["class_names"] = list(data.class_names)  # so that sample.py class=cat needs no data
    return module, data, callbacks


def open_data(data: pl.LightningDataModule) -> None:
    data.prepare_data()
    data.setup("fit")


def open_run(settings: Mapping[str, Any], directory: Path | None, going_on: Continuation | None) -> RunDirectory:
    """The run as its first process makes it, locked; the others look on."""
    opened: list[RunDirectory] = []

    def make() -> Path:
        if is_first():
            opened.append(going_on.run if going_on else RunDirectory.create(place(settings, directory)))
        return opened[0].path if opened else Path()

    path = launching.in_agreement(make)[0]
    return opened[0] if opened else Onlooker(path)


def place(settings: Mapping[str, Any], directory: Path | None) -> Path:
    """run.dir as typed, else the sweep's directory, else a new one under runs/"""
    chosen = settings["choices"]
    name = chosen.get("experiment") or f"{chosen['model']}_{chosen['data']}"
    typed = settings["run"]["dir"]
    path = expanded(typed, "run.dir") if typed else directory or new_path(Path("runs"), name)
    adapters.refuse_directory(settings, path)
    return path


def to_yaml(settings: Mapping[str, Any]) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(_readable(settings)))


def _readable(settings: Any) -> Any:
    if isinstance(settings, Mapping):
        return {key: _readable(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [*map(_readable, settings)]
    return readable(settings) if isinstance(settings, str) else settings


def quieten_lightning() -> None:
    """Lightning's advice about things this project decides itself: workers, checkpointing, steps per log line."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in ("does not have many workers", "The number of training batches", "GPU available but not used",
                    "Found .* module", ".*LeafSpec.* is deprecated", ".*litlogger.*", "Checkpoint directory .* exists"):
        warnings.filterwarnings("ignore", f".*{message}")
