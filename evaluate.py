"""Measure a trained run, or a folder of images: compose -> validate -> measure -> say what came out and where it is."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def evaluate(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.commands import evaluation
        evaluation.evaluate(settings)


if __name__ == "__main__":
    sys.exit(command_line.run(evaluate, "evaluate"))
