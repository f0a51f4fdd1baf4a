"""Probes a network of a run: compose -> validate -> rebuild it -> classify by its layers -> print the errors."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="probe")
def probe(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config, OF_COMMANDS["probe"])
        from saddlepoint.commands import probing  # torch comes in after the settings are known to be good
        probing.probe(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(probe, "probe")


if __name__ == "__main__":
    sys.exit(main())
