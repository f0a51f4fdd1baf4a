"""Train a small classifier, for metrics on its data: compose -> validate -> train -> measure -> say where it is."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from saddlepoint.commands import command_line
from saddlepoint.config import overrides
from saddlepoint.config.check import checked_settings


@hydra.main(version_base="1.3", config_path="conf", config_name="train_classifier")
def train_classifier(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.training import classifier
        classifier.train(settings, command_line.line("train_classifier.py", typed(), {}))


def typed() -> list[str]:
    """The settings as they were typed, without the quotes that Hydra wants around paths"""
    parsed = overrides.parse(HydraConfig.get().overrides.task)
    return [f"{each.key_or_group}={command_line.render(each.value())}" for each in parsed]


if __name__ == "__main__":
    sys.exit(command_line.run(train_classifier, "train_classifier"))
