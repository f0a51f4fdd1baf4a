"""Makes an archive of a folder of images: compose -> validate -> decode, resize and encode file by file."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.preparing import archiving


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="prepare")
def prepare(config: DictConfig) -> None:
    with command_line.reported():
        archiving.prepare(checked_settings(config, OF_COMMANDS["prepare"]))


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(prepare, "prepare")


if __name__ == "__main__":
    sys.exit(main())
