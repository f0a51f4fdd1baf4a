"""One run from its settings to its results: data, game, Lightning's loop, and the files that stay."""

import logging
import resource
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_utilities.core.rank_zero import rank_zero_only
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from safetensors.torch import save

from saddlepoint import build, resuming
from saddlepoint.callbacks.checkpointing import Checkpointing
from saddlepoint.callbacks.stopping import Budget, StopOnSignal
from saddlepoint.callbacks.together import Together
from saddlepoint.checkpoint import write_atomically
from saddlepoint.errors import Diverged, RequestError, Stopped
from saddlepoint.modules.adversarial import AdversarialModule
from saddlepoint.resuming import Continuation
from saddlepoint.run_directory import RunDirectory, new_path


def train(settings: Mapping[str, Any], directory: Path | None = None, going_on: Continuation | None = None) -> Path:
    """Train to the end of the budget -> the run directory. `directory` is used when run.dir says nothing; `going_on` is
    the run to go on with, whose settings are given."""
    if going_on and going_on.saved["images_seen"] >= settings["budget"]["images"]:
        print(f"{going_on.run.path} has seen its {going_on.saved['images_seen']:,} images: type a larger "
              "budget.images= to go on")
        going_on.run.close()
        return going_on.run.path
    try:
        return _train(settings, directory, going_on)
    finally:
        if going_on:
            going_on.run.close()


def _train(settings: Mapping[str, Any], directory: Path | None, going_on: Continuation | None) -> Path:
    quieten_lightning()
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    data = build.data(settings)
    data.prepare_data()
    data.setup("fit")
    module = build.module(resuming.without_first_weights(settings) if going_on else settings)
    module.provenance["settings"] = dict(settings)
    path, stop = going_on.run.path if going_on else place(settings, directory), StopOnSignal()
    watching = [*build.callbacks(settings, data, module), Budget(settings["budget"]["images"]), stop]
    callbacks = sorted(watching, key=lambda callback: isinstance(callback, Checkpointing))  # it saves what others know
    if going_on:
        resuming.restore(module, data, callbacks, going_on.saved)
        resuming.warn_of_threads(going_on.saved)
    trainer = make_trainer(settings, path, callbacks, module.images_seen)
    run = going_on.run if going_on else RunDirectory.create(path)
    try:
        if going_on:
            resuming.cut_back(run, module.images_seen)
        run.describe(to_yaml(settings), settings["seed"], torch.get_num_threads())
        run.status("running")
        prepare(settings, module, data)
        announce(settings, module, run)
        fit(trainer, module, data, run, callbacks[-1])
        conclude(run, module, stop)
    except (Stopped, Diverged) as end:
        run.status(type(end).__name__.lower(), str(end), module.images_seen)
        raise
    except BaseException as error:
        run.status("failed", f"{type(error).__name__}: {error}", module.images_seen)
        raise
    finally:
        run.close()
    return path


def place(settings: Mapping[str, Any], directory: Path | None) -> Path:
    """run.dir as typed, else the sweep's directory, else a new one under runs/"""
    chosen = settings["choices"]
    name = chosen.get("experiment") or f"{chosen['model']}_{chosen['data']}"
    typed = settings["run"]["dir"]
    return Path(typed).expanduser() if typed else directory or new_path(Path("runs"), name)


def fit(trainer: pl.Trainer, module: AdversarialModule, data: pl.LightningDataModule, run: RunDirectory,
        checkpointing: Checkpointing) -> None:
    trainer.fit(module, data)
    run.write_metrics({"cost": cost(module, checkpointing.training_seconds())})
    export(module, run)


def make_trainer(settings: Mapping[str, Any], directory: Path, callbacks: list[pl.Callback],
                 images_seen: int = 0) -> pl.Trainer:
    """Writes nothing yet: what cannot run is refused before there is a directory."""
    place = settings["trainer"]
    try:
        return pl.Trainer(
            accelerator=place["accelerator"], devices=place["devices"], precision=settings["precision"],
            max_epochs=1,  # the stream of batches has no end; the budget ends it
            default_root_dir=directory, logger=build.logger(settings, directory, images_seen),
            callbacks=Together(callbacks),
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            use_distributed_sampler=False, num_sanity_val_steps=0,
        )
    except MisconfigurationException as error:
        raise RequestError(f"trainer.accelerator={place['accelerator']} cannot be used here: {error} "
                           "Type trainer=cpu or trainer=auto") from error


def prepare(settings: Mapping[str, Any], module: AdversarialModule, data: pl.LightningDataModule) -> None:
    module.budget_images = settings["budget"]["images"]
    if settings["trainer"]["channels_last"]:
        module.to(memory_format=torch.channels_last)
    data.real_images_per_step = module.turns.real_images(data.batch_size)
    data.start_at(module.images_seen)
    if data.num_classes:
        module.follow_classes(data.class_counts)
        module.provenance["class_names"] = list(data.class_names)  # so that sample.py class=cat needs no data


# What is said and what stays.


@rank_zero_only
def announce(settings: Mapping[str, Any], module: AdversarialModule, run: RunDirectory) -> None:
    chosen, trick = settings["choices"], ", ".join(settings["trick"]) or "none"
    sizes = " and ".join(f"{name} {count:,}" for name, count in parameters(module).items())
    print(f"model {chosen['model']}, data {chosen['data']}, loss {chosen['loss']}, tricks {trick}\n"
          f"parameters: {sizes}\nrun directory: {run.path}")


def conclude(run: RunDirectory, module: AdversarialModule, stop: StopOnSignal) -> None:
    if stop.received:
        raise Stopped(f"Stopped by {stop.received.name} after {module.images_seen:,} images; {run.last} holds the run",
                      stop.exit_code)
    run.status("completed", "", module.images_seen)
    rank_zero_only(print)(
        f"Done: {module.images_seen:,} images.\n"
        f"  samples:     {run.samples}\n"
        f"  curves:      {run.path / 'metrics.csv'} (make tensorboard shows them)\n"
        f"  checkpoint:  {run.last}\n"
        f"  {use_of(module, run)}")


def use_of(module: AdversarialModule, run: RunDirectory) -> str:
    if "latents" in module.provenance["settings"]["model"]:
        return f"draw more:   {shlex.join(['python', 'sample.py', f'run={run.path}'])}"
    return f"enlarge:     {shlex.join(['python', 'upscale.py', f'weights={run.path}', 'input=IMAGES'])}"


@rank_zero_only
def export(module: AdversarialModule, run: RunDirectory) -> None:
    """generator.safetensors: the sampling generator's weights alone, for other programs."""
    weights = {name: tensor.contiguous() for name, tensor in module.sampling_generator.state_dict().items()}
    write_atomically(run.path / "generator.safetensors", lambda temporary: temporary.write_bytes(save(weights)))


def parameters(module: AdversarialModule) -> dict[str, int]:
    networks = {"generator": module.generator, "discriminator": module.discriminator}
    return {name: sum(p.numel() for p in network.parameters() if p.requires_grad) for name, network in networks.items()}


def cost(module: AdversarialModule, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "images_per_second": module.images_seen / seconds,
        "parameters": parameters(module),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # of this process, on Linux
    }


def to_yaml(settings: Mapping[str, Any]) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(dict(settings)))


def quieten_lightning() -> None:
    """Lightning's advice about things this project decides itself: workers, checkpointing, steps per log line."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in ("does not have many workers", "The number of training batches", "GPU available but not used",
                    "Found .* module", ".*LeafSpec.* is deprecated", ".*litlogger.*", "Checkpoint directory .* exists"):
        warnings.filterwarnings("ignore", f".*{message}")
