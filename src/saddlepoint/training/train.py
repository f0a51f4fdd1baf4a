"""Trains one run from its settings to its results: data, game, Lightning's loop and the files in the run directory."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from saddlepoint import build
from saddlepoint.config.typed_paths import expanded
from saddlepoint.config.writing import to_yaml
from saddlepoint.errors import Diverged, EndOfRun, RequestError, RollBack, Stopped
from saddlepoint.files import disk_space
from saddlepoint.files.outputs import require_writable
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.callback_group import CallbackGroup
from saddlepoint.game.devices import lay_out
from saddlepoint.game.precision import compute_in_bfloat16
from saddlepoint.parallel import launching
from saddlepoint.parallel.batchnorm import synchronise_batchnorm
from saddlepoint.parallel.collectives import is_alone
from saddlepoint.parallel.first import is_first, only_the_first_speaks
from saddlepoint.runs import data_identity, resuming
from saddlepoint.runs.directory import Onlooker, RunDirectory, new_path
from saddlepoint.runs.resuming import Continuation
from saddlepoint.training import arithmetic, compiling, restoring
from saddlepoint.training.callbacks.checkpointing import Checkpointing
from saddlepoint.training.callbacks.looking import LookingTime
from saddlepoint.training.callbacks.stopping import Budget, StopOnSignal, signal_behind
from saddlepoint.training.first_weights import initialise
from saddlepoint.training.loggers import adapters
from saddlepoint.training.results import announce, conclude, cost, export, reset_peak_memory, stopped_at_once
from saddlepoint.training.stepping import in_visits, record


class Trainer(pl.Trainer):
    """A Lightning trainer whose run is set later, when the processes that it starts have agreed on a directory."""

    run: RunDirectory | None = None

    @property
    def default_root_dir(self) -> str:
        return str(self.run.path if self.run else Path())


def train(settings: Mapping[str, Any], directory: Path | None = None, continuation: Continuation | None = None) -> Path:
    """Trains to the end of the budget and returns the run directory.

    settings: of the whole run; those of the continued run if there is a continuation
    directory: where a sweep puts the run, unless run.dir is set
    continuation: the run to go on with; None for a new one
    """
    if (continuation and continuation.run.is_completed
            and continuation.saved["images_seen"] >= settings["budget"]["images"]):
        print(f"{continuation.run.path} has seen its {continuation.saved['images_seen']:,} images: type a larger "
              "budget.images= to go on")
        continuation.run.close()
        return continuation.run.path
    try:
        quieten_lightning()
        if settings["threads"]:
            torch.set_num_threads(settings["threads"])
        with ExitStack() as stack:
            stack.enter_context(arithmetic.as_set(settings))  # before anything asks for a GPU
            trainer = make_trainer(settings, sweeping=directory is not None)
            watch = stack.enter_context(launching.ending_together(trainer, lambda end: note_end(trainer, end)))
            while True:
                launching.connect(trainer)
                if settings["trainer"]["compile"]:
                    compiling.require_compiler(trainer.strategy.root_device)
                launching.watch_processes(watch)
                try:
                    return _train(settings, trainer, directory, continuation)
                except RollBack as end:
                    with only_the_first_speaks(), _ending_as_diverged(settings, trainer):
                        continuation = resuming.roll_back(trainer.run.path, settings, end)
                trainer = make_trainer(settings, sweeping=directory is not None)
    finally:
        if continuation:
            continuation.run.close()


def _train(settings: Mapping[str, Any], trainer: Trainer, directory: Path | None,
           continuation: Continuation | None) -> Path:
    with only_the_first_speaks():
        if not continuation:
            root = expanded(settings["run"]["dir"] or directory or "runs", "run.dir")
            require_writable(root / "config.yaml", f"run.dir={root}")
        module, data, callbacks = prepare(settings, trainer, continuation)
        run = open_run(settings, directory, continuation)
    stop = next(callback for callback in callbacks if isinstance(callback, StopOnSignal))
    trainer.run, trainer.callbacks = run, [CallbackGroup(callbacks)]
    try:
        trainer.loggers = adapters.make_loggers(settings, run.path, module.images_seen)
        if continuation and is_first():
            resuming.delete_later_results(run, module.images_seen)
        run.describe(to_yaml(settings), settings["seed"], torch.get_num_threads(), module.provenance["data"],
                     module.provenance["device"], module.provenance["first_weights"])
        run.write_status("running")
        adapters.begin(trainer.loggers, settings, run)
        announce(settings, module, data, run)
        if module.images_seen < module.budget_images:  # else only the files that follow the last checkpoint are missing
            reset_peak_memory(trainer.strategy.root_device)
            trainer.fit(module, in_visits(data, module, callbacks, settings["trainer"]["steps_a_visit"]))
        seconds = callbacks[-1].training_seconds()
        processor_seconds = callbacks[-1].processor_seconds()
        run.write_metrics({"cost": cost(module, seconds, processor_seconds, trainer.strategy.root_device)})
        export(module, run)
        conclude(run, module, stop)
        adapters.finish(trainer.loggers, settings, run, "completed", module.images_seen)
    except (Stopped, Diverged) as end:
        state = type(end).__name__.lower()
        run.write_status(state, str(end), module.images_seen)
        adapters.finish(trainer.loggers, settings, run, state, module.images_seen)
        run.close()
        stop.call_former_handler()
        raise
    except BaseException as error:
        received = signal_behind(error)
        end = (stopped_at_once(run, received) if received
               else arithmetic.explained(error, settings, trainer.strategy.root_device, run))
        reason = end or disk_space.find_full_disk(error) or f"{type(error).__name__}: {error}"
        run.write_status("stopped" if received else "failed", str(reason), module.images_seen)
        if received:
            adapters.finish(trainer.loggers, settings, run, "stopped", module.images_seen)
        if end:
            raise end from error
        raise
    finally:
        stop.leave()  # this process may go on with something else
        run.close()
    return run.path


@contextmanager
def _ending_as_diverged(settings: Mapping[str, Any], trainer: Trainer) -> Iterator[None]:
    """Notes that a run whose roll-back fails in the block has diverged: until then it says that it rolls back."""
    try:
        yield
    except Diverged as end:
        images_seen = trainer.lightning_module.images_seen
        trainer.run.write_status("diverged", str(end), images_seen)
        adapters.finish(trainer.loggers, settings, trainer.run, "diverged", images_seen)
        raise


def note_end(trainer: Trainer, end: EndOfRun) -> None:
    """Writes why the run ends into its status, where the code that trains cannot do so any more."""
    if trainer.run:
        module = trainer.lightning_module  # None before training begins
        trainer.run.write_status("failed", str(end), module.images_seen if module else 0)


def make_trainer(settings: Mapping[str, Any], sweeping: bool) -> Trainer:
    """Returns the trainer. Raises a RequestError if the device or the precision is not available here; nothing has been
    written by then. `sweeping` is true for a run of a sweep."""
    accelerator = settings["trainer"]["accelerator"]
    with only_the_first_speaks():
        processes = launching.trainer_arguments(settings, sweeping)
        arithmetic.refuse_missing(settings, processes["devices"])
        try:
            trainer = Trainer(
                **processes,
                accelerator=accelerator, precision=settings["precision"],
                max_epochs=1,  # the stream of batches has no end; the budget ends it
                logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                use_distributed_sampler=False, num_sanity_val_steps=0,
            )
        except MisconfigurationException as error:
            raise RequestError(f"trainer.accelerator={accelerator} cannot be used here: {error} "
                               "Type trainer=cpu or trainer=auto") from error
    # In each step Lightning asks the first process whether it got a SIGTERM, and the GPU would wait for the answer.
    # StopOnSignal handles that signal.
    if hasattr(trainer.fit_loop.epoch_loop, "_broadcast_sigterm_tensor"):
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None
    return trainer


def prepare(settings: Mapping[str, Any], trainer: Trainer, continuation: Continuation | None,
            ) -> tuple[AdversarialModule, pl.LightningDataModule, list[pl.Callback]]:
    """Returns the game, its data and the callbacks, restored if there is a continuation. `Checkpointing` is the last
    callback, as it saves the states of the others."""
    adapters.refuse_missing(settings)
    data = build.data(settings)
    trained_on = continuation.saved.get("data") if continuation else None
    data.expected_classes = data_identity.classes_of(continuation.saved) if continuation else ()
    launching.one_process_first(trainer, partial(open_data, data))
    module = build.module(settings, None if continuation else partial(initialise, model=settings["model"]))
    module.provenance["data"] = data.identity()
    if continuation:
        module.provenance["first_weights"] = continuation.saved.get("first_weights", {})
        module.provenance["data"] = data_identity.continued_identity(trained_on, data.identity())
        restoring.warn_of_other_data(trained_on, data)
    built = build.callbacks(settings, data, module)
    unsorted = [*built, LookingTime(built), Budget(settings["budget"]["images"]), StopOnSignal()]
    callbacks = sorted(unsorted, key=lambda callback: isinstance(callback, Checkpointing))
    data.real_images_per_step = module.turns.real_images(data.batch_size)
    data.refuse_unequal_shares(trainer.world_size, module.tricks.images_of_a_pack)
    module.provenance["device"] = arithmetic.description(settings, trainer.strategy.root_device)
    if continuation:
        restoring.restore(module, data, callbacks, continuation.saved, str(continuation.run.path))
        restoring.warn_of_threads(continuation.saved)
        restoring.warn_of_device(continuation.saved, module.provenance["device"])
        trainer.precision_plugin.load_state_dict(continuation.saved["precision"])
    data.start_at(module.images_seen)
    module.budget_images = settings["budget"]["images"]
    if settings["trainer"]["synchronise_batchnorm"] and not is_alone():
        synchronise_batchnorm(module)
    lay_out(module, settings["trainer"]["channels_last"], trainer.strategy.root_device.type)
    compute_in_bfloat16(module, settings["bf16"])
    if settings["trainer"]["compile"]:
        compiling.compile_game(module)
    if settings["trainer"]["record"]:
        record(module, settings, trainer.strategy.root_device, callbacks)
    if data.num_classes:
        module.follow_classes(data.class_counts)
        module.provenance["class_names"] = list(data.class_names)  # so that sample.py class=cat needs no data
    return module, data, callbacks


def open_data(data: pl.LightningDataModule) -> None:
    """Downloads and reads the data."""
    data.prepare_data()
    data.setup("fit")


def open_run(settings: Mapping[str, Any], directory: Path | None, continuation: Continuation | None) -> RunDirectory:
    """Returns the run directory: in the first process created and locked, in the others an Onlooker, which only knows
    its path."""
    created: list[RunDirectory] = []

    def make() -> Path:
        if is_first():
            created.append(continuation.run if continuation else RunDirectory.create(choose_path(settings, directory)))
        return created[0].path if created else Path()

    path = launching.share_results(make)[0]
    return created[0] if created else Onlooker(path)


def choose_path(settings: Mapping[str, Any], directory: Path | None) -> Path:
    """Returns the path of a new run: run.dir, else the sweep's directory, else a new one under runs/."""
    choices = settings["choices"]
    name = choices.get("experiment") or f"{choices['model']}_{choices['data']}"
    typed = settings["run"]["dir"]
    path = expanded(typed, "run.dir") if typed else directory or new_path(Path("runs"), name)
    adapters.refuse_directory(settings, path)
    return path


def quieten_lightning() -> None:
    """Silences Lightning's advice on what this project decides itself, such as workers, checkpoints and log
    intervals."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in ("does not have many workers", "The number of training batches", "GPU available but not used",
                    "Found .* module", ".*LeafSpec.* is deprecated", ".*litlogger.*", "Checkpoint directory .* exists"):
        warnings.filterwarnings("ignore", f".*{message}")
