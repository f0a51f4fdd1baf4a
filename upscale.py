"""Enlarge image files: compose -> validate -> load the weights -> upscale file by file -> say where the results are."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_UPSCALE
from saddlepoint.upscaling import headers


@hydra.main(version_base="1.3", config_path="conf", config_name="upscale")
def upscale(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config, OF_UPSCALE)
        headers.refuse_at_once(settings["input"], headers.limits(settings))
        from saddlepoint.upscaling import batch
        batch.upscale(settings)


if __name__ == "__main__":
    sys.exit(command_line.run(upscale, "upscale"))
