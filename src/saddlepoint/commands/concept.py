"""Makes a concept vector: compose -> validate -> rebuild the generator -> sort or invert -> print where it is."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="concept")
def concept(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config, OF_COMMANDS["concept"])
        from saddlepoint.commands import conceiving  # torch comes in after the settings are known to be good
        conceiving.concept(settings)


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(concept, "concept")


if __name__ == "__main__":
    sys.exit(main())
