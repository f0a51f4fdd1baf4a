"""Compare trained runs: compose -> validate -> gather -> tabulate -> print, and write where asked."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings


@hydra.main(version_base="1.3", config_path="conf", config_name="compare")
def compare(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.commands import comparing as command
        command.compare(settings)


if __name__ == "__main__":
    sys.exit(command_line.run(compare, "compare"))
