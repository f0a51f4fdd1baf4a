"""Translates image files: compose -> validate -> rebuild the run's generator -> translate file by file."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.upscaling import headers


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="translate")
def translate(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        headers.refuse_unreadable_input(settings["input"], headers.limits_of(settings), "translated")
        from saddlepoint.commands import translating  # torch comes in after the settings are known to be good
        translating.translate(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(translate, "translate")


if __name__ == "__main__":
    sys.exit(main())
