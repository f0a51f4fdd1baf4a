"""Trains one generative adversarial network: compose -> validate -> build -> fit -> print where the results are."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings, chosen, refuse_without_effect
from saddlepoint.config.folders import settings_folder
from saddlepoint.environment import is_job_of_a_sweep
from saddlepoint.parallel.first import only_the_first_speaks
from saddlepoint.runs.choices import with_choices_of_the_run


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="train")
def train(config: DictConfig) -> None:
    with command_line.reported():
        with only_the_first_speaks():
            hydra_state = HydraConfig.get()
            settings = checked_settings(config) | {"choices": chosen(hydra_state.runtime.choices, config)}
            typed, sweeping = list(hydra_state.overrides.task), hydra_state.mode == RunMode.MULTIRUN
            refuse_without_effect(settings, typed, sweeping or is_job_of_a_sweep())  # before torch comes
            from saddlepoint.commands import recipe_refusals  # torch comes after the settings are known to be good
            from saddlepoint.runs import resuming
            from saddlepoint.training import train as training
            directory = Path(hydra_state.runtime.output_dir) if sweeping else None
            going_on = resuming.continuation(settings, typed, directory)
            if going_on is None:  # also of resume=auto where there is nothing to go on with
                refuse_without_effect(settings | {"resume": None}, typed, sweeping or is_job_of_a_sweep())
            with resuming.closed_where_it_ends(going_on) as keep_open:
                settings = going_on.settings if going_on else settings
                recipe_refusals.refuse(settings, "train", typed)
                if settings["describe"]:
                    from saddlepoint.commands import description
                    description.describe(settings)
                    return
                keep_open()
        training.train(settings, directory, going_on)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(train, "train", default_sweep="seed=0,1,2", complete=with_choices_of_the_run)


if __name__ == "__main__":
    sys.exit(main())
