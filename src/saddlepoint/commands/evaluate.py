"""Measures a trained run, or a folder of images: compose -> validate -> measure -> print and write the values."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="evaluate")
def evaluate(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.commands import evaluation  # torch comes in after the settings are known to be good
        evaluation.evaluate(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(evaluate, "evaluate")


if __name__ == "__main__":
    sys.exit(main())
