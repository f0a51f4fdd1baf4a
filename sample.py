"""Draw from a trained run: compose -> validate -> rebuild the generator -> draw -> say where the pictures are."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings


@hydra.main(version_base="1.3", config_path="conf", config_name="sample")
def sample(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.commands import drawing
        drawing.draw(settings)


if __name__ == "__main__":
    sys.exit(command_line.run(sample, "sample"))
