"""Refuses sweeps that cannot run before any job starts, with a sentence that says why. Imports no torch."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

from saddlepoint.config.check import checked_settings
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


def refuse_shared_mistakes(config: DictConfig) -> None:
    """Raises a RequestError for mistakes in the settings that all jobs share: one refusal instead of one by every
    job."""
    shared = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    if not OmegaConf.missing_keys(shared):
        checked_settings(shared)
