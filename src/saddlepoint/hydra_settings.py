"""Settings of Hydra's own that would be taken without a word and do nothing here."""

from collections.abc import Sequence

from saddlepoint.errors import RequestError
from saddlepoint.overrides import OVERRIDE, is_sweeping

OF_SWEEPS = ("hydra.sweep.", "hydra.launcher.", "hydra/launcher", "hydra.sweeper.")  # hydra/sweeper= is refused apart
OF_JOBS = ("hydra.job.env_set", "hydra.job.env_copy")  # those that Hydra heeds
WITHOUT_EFFECT = {  # by how they begin
    "hydra.run.": "a run's directory is another setting: type run.dir=PATH with train.py, output=PATH elsewhere",
    "hydra.output_subdir": "a run's settings are in its config.yaml: leave it out",
    "hydra.job.": "nothing here depends on it: leave it out",
    "hydra.mode": "-m alone says that it is a sweep: type -m, or leave it out",
    "hydra.runtime": "Hydra finds that out itself: leave it out",
    "hydra.overrides": "they are what is typed: type the settings themselves",
    "hydra.hydra_help": "type --help",
    "hydra.env": "nothing here depends on it: leave it out",
    "hydra/env": "nothing here depends on it: leave it out",
    "hydra/output": "a run's settings are in its config.yaml: leave it out",
    "hydra.verbose": "warnings are always shown, and nothing is logged beside them: leave it out",
}


def refuse(arguments: Sequence[str]) -> None:
    sweeping = is_sweeping(arguments)
    for argument in arguments:
        match = OVERRIDE.match(argument)
        name = match[2] if match else ""
        if not name.startswith("hydra") or name.startswith(OF_JOBS):
            continue
        if name.startswith(OF_SWEEPS) and not sweeping:
            instead = ", or type run.dir=PATH for the directory of one run" if name == "hydra.sweep.dir" else ""
            raise RequestError(f"{argument} is about sweeps, and has no effect without -m: add -m{instead}")
        for beginning, why in WITHOUT_EFFECT.items():
            if name.startswith(beginning):
                raise RequestError(f"{argument} would have no effect: {why}")
