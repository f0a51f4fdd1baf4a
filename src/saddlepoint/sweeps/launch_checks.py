"""Refuses sweeps that cannot run before any job starts, with a sentence that says why. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from saddlepoint.config.check import checked_settings
from saddlepoint.config.rules import as_typed
from saddlepoint.config.spelling import command
from saddlepoint.errors import RequestError
from saddlepoint.sweeps.naming import setting

REFUSED = {  # setting that is not for sweeps -> the rest of the sentence
    "run.dir": "names one run, and a sweep has many: type hydra.sweep.dir=PATH, where each gets a directory of its own",
    "resume": "goes on with one run: leave it out and type the hydra.sweep.dir=PATH of a sweep, which goes on then",
    "describe": "prints networks and trains none: leave -m out, or type hydra/launcher=basic",
    "hydra.sweep.subdir": "is left to the sweep, which numbers its jobs: leave it out",
}


def refuse_single_runs(overrides: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raises a RequestError for settings that only a single run can have, and if several processes were started."""
    for override in overrides:
        name = setting(override)
        if name in REFUSED:
            raise RequestError(f"{name}= {REFUSED[name]}")
    for count in ("WORLD_SIZE", "SLURM_NTASKS"):
        if int(environment.get(count) or 1) > 1:
            raise RequestError(
                f"A sweep starts the processes of its jobs itself, and {environment[count]} were started ({count}): "
                f"type {command('train', 'trainer=ddp', 'trainer.devices=N')} ... -m without torchrun or srun, or "
                "hydra/launcher=basic, which gives one job after the other to the processes that were started")


def refuse_places(jobs_at_once: int | None, jobs_per_gpu: int, gpus: Sequence[str], shares: Sequence[str],
                  trainer: Mapping[str, Any]) -> None:
    """Raises a RequestError if the GPUs cannot be shared as asked for, or are too few for so many jobs at once.

    gpus, shares: of the machine, and those of a job; trainer: the settings of that group
    """
    devices = trainer.get("devices", 1)
    if jobs_per_gpu > 1:
        does = f"hydra.launcher.jobs_per_gpu={jobs_per_gpu} lets {jobs_per_gpu} jobs share each GPU"
        if trainer.get("accelerator") == "cpu":
            raise RequestError(f"{does}, and with trainer.accelerator=cpu no job uses one: leave it out")
        if not gpus:
            raise RequestError(f"{does}, and this machine has none (by nvidia-smi -L, or CUDA_VISIBLE_DEVICES): leave "
                               f"it out. hydra.launcher.jobs_at_once={jobs_per_gpu} runs as many jobs without GPUs")
        if devices != 1:
            raise RequestError(f"{does}, and trainer.devices={as_typed(devices)} takes a whole one for each process of "
                               "a job: leave it out, or type trainer=auto trainer.devices=1")
    most = len(shares) * jobs_per_gpu
    if shares and jobs_at_once and jobs_at_once > most:
        count = "1 GPU takes" if len(gpus) == 1 else f"{len(gpus)} GPUs take"
        sharing = f" or hydra.launcher.jobs_per_gpu={math.ceil(jobs_at_once / len(gpus))}" if devices == 1 else ""
        raise RequestError(f"hydra.launcher.jobs_at_once={jobs_at_once} is more than {count} with hydra.launcher."
                           f"jobs_per_gpu={jobs_per_gpu} and trainer.devices={as_typed(devices)}: type "
                           f"hydra.launcher.jobs_at_once={most}{sharing}, or trainer=cpu for jobs without GPUs")


def refuse_shared_mistakes(config: DictConfig) -> None:
    """Raises a RequestError for mistakes in the settings that all jobs share: one refusal instead of one by every
    job."""
    shared = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    if not OmegaConf.missing_keys(shared):
        checked_settings(shared)
