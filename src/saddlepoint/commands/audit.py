"""Audits a folder of images: compose -> validate -> look at every file -> say what was found."""

import sys

import hydra
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.preparing import auditing


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="audit")
def audit(config: DictConfig) -> None:
    with command_line.reported():
        auditing.audit(checked_settings(config, OF_COMMANDS["audit"]))


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(audit, "audit")


if __name__ == "__main__":
    sys.exit(main())
