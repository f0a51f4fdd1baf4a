"""Converts pickled statistics of EDM2 or StyleGAN: compose -> validate -> read arrays alone -> write an .npz file."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="convert_statistics")
def convert_statistics(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.commands import converting  # torch comes in after the settings are known to be good
        converting.convert(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(convert_statistics, "convert_statistics")


if __name__ == "__main__":
    sys.exit(main())
