"""Trains a small classifier, for metrics on its data: compose -> validate -> train -> measure -> print where it is."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config import overrides
from saddlepoint.config.check import checked_settings
from saddlepoint.config.folders import settings_folder


@hydra.main(version_base="1.3", config_path=str(settings_folder()), config_name="train_classifier")
def train_classifier(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.training import classifier  # torch comes in after the settings are known to be good
        classifier.train(settings, command_line.line("train_classifier", typed(), {}))


def typed() -> list[str]:
    """Returns the settings as they were typed, without the quotes that Hydra wants around paths."""
    parsed = overrides.parse(HydraConfig.get().overrides.task)
    return [f"{each.key_or_group}={command_line.render(each.value())}" for each in parsed]


def main() -> int:
    """Runs the command and returns its exit code."""
    return command_line.run(train_classifier, "train_classifier")


if __name__ == "__main__":
    sys.exit(main())
