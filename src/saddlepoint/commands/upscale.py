"""Enlarges image files: compose -> validate -> load the weights -> upscale file by file."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.upscaling import headers


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="upscale")
def upscale(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config, OF_COMMANDS["upscale"])
        headers.refuse_unreadable_input(settings["input"], headers.limits_of(settings))
        from saddlepoint.upscaling import batch  # torch comes in after the settings are known to be good
        batch.upscale(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(upscale, "upscale")


if __name__ == "__main__":
    sys.exit(main())
