"""Refuses settings of Hydra's own that it would accept silently and that have no effect here."""

from collections.abc import Sequence

from saddlepoint.config.overrides import OVERRIDE, is_sweeping
from saddlepoint.errors import RequestError

OF_SWEEPS = ("hydra.sweep.", "hydra.launcher.", "hydra/launcher", "hydra.sweeper.")  # hydra/sweeper= is refused apart
OF_JOBS = ("hydra.job.env_set", "hydra.job.env_copy")  # those that Hydra heeds
WITHOUT_EFFECT = {  # by how they begin
    "hydra.run.": "type run.dir=PATH for the directory of a run of train.py, output=PATH with other commands",
    "hydra.output_subdir": "leave it out; a run's config.yaml has its settings",
    "hydra/output": "leave it out; a run's config.yaml has its settings",
    "hydra.mode": "type -m for a sweep, and neither for a single run",
    "hydra.overrides": "type the settings themselves",
    "hydra.hydra_help": "type --help",
    "hydra.job.": "leave it out",
    "hydra.runtime": "leave it out",
    "hydra.env": "leave it out",
    "hydra/env": "leave it out",
    "hydra.verbose": "leave it out, or choose a log as well, e.g. hydra/job_logging=default",
}
LOGGING = ("hydra/job_logging", "hydra.job_logging")
OF_LIGHTNING = ("hydra.run.dir=", "hydra.job.name=train_ddp_process_", "hydra.output_subdir=null")


def refuse(arguments: Sequence[str]) -> None:
    """Refuses the first argument that is a setting of Hydra without effect in this call."""
    sweeping, is_logging = is_sweeping(arguments), any(each.startswith(LOGGING) for each in arguments)
    for argument in _typed(arguments):
        match = OVERRIDE.match(argument)
        name = match[2] if match else ""
        if not name.startswith("hydra") or name.startswith(OF_JOBS) or name == "hydra.verbose" and is_logging:
            continue
        if name.startswith(OF_SWEEPS) and not sweeping:
            instead = ", or type run.dir=PATH for the directory of one run" if name == "hydra.sweep.dir" else ""
            raise RequestError(f"{argument} is about sweeps, and has no effect without -m: add -m{instead}")
        for beginning, why in WITHOUT_EFFECT.items():
            if name.startswith(beginning):
                raise RequestError(f"{argument} would have no effect: {why}")


def _typed(arguments: Sequence[str]) -> Sequence[str]:
    """Returns the arguments without those that Lightning adds when it starts the other processes of a run."""
    last = arguments[-len(OF_LIGHTNING):]
    added = len(last) == len(OF_LIGHTNING) and all(map(str.startswith, last, OF_LIGHTNING))
    return arguments[:-len(OF_LIGHTNING)] if added else arguments
