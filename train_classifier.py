"""Train a small classifier, for metrics on its data: compose -> validate -> train -> measure -> say where it is."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from saddlepoint import command_line
from saddlepoint.config_check import checked_settings


@hydra.main(version_base="1.3", config_path="conf", config_name="train_classifier")
def train_classifier(config: DictConfig) -> None:
    with command_line.reported():
        settings = checked_settings(config)
        from saddlepoint.metrics.extractors import classifier_training  # torch comes in after the settings
        command = command_line.line("train_classifier.py", HydraConfig.get().overrides.task, {})
        classifier_training.train(settings, command)


if __name__ == "__main__":
    sys.exit(command_line.run(train_classifier, "train_classifier"))
