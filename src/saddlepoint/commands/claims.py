"""Decides claims and repeats published tables: compose -> validate -> find runs -> make what is missing -> write."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="claims")
def claims(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config, OF_COMMANDS["claims"])
        from saddlepoint.commands import claiming
        claiming.decide_and_repeat(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(claims, "claims")


if __name__ == "__main__":
    sys.exit(main())
