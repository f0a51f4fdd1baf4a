"""Compares trained runs: compose -> validate -> gather -> tabulate -> print and write. Needs no torch."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="compare")
def compare(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.commands import comparing
        comparing.compare(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(compare, "compare")


if __name__ == "__main__":
    sys.exit(main())
