"""Fills a rare class: compose -> validate -> rebuild the run's generator -> draw -> write images and a manifest."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="augment")
def augment(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config, OF_COMMANDS["augment"])
        from saddlepoint.commands import augmenting  # torch comes in after the settings are known to be good
        augmenting.augment(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(augment, "augment")


if __name__ == "__main__":
    sys.exit(main())
