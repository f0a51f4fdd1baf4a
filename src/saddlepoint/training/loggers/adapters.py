"""Makes the loggers of a run, and gives each of them settings, pictures and the end through its adapter."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from saddlepoint import making
from saddlepoint.config.spelling import readable
from saddlepoint.errors import RequestError
from saddlepoint.parallel.first import is_first
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training.loggers.adapter import End, LoggerAdapter
from saddlepoint.training.loggers.hparams import cost, scores, varied_settings
from saddlepoint.training.loggers.mlflow import MLflow
from saddlepoint.training.loggers.tensorboard import TensorBoard
from saddlepoint.training.loggers.wandb import Wandb

ADAPTERS = {TensorBoardLogger: TensorBoard(), WandbLogger: Wandb(), MLFlowLogger: MLflow()}


def adapter_of(target: type) -> LoggerAdapter:
    """Returns the adapter for a class of loggers."""
    return next((adapter for known, adapter in ADAPTERS.items() if issubclass(target, known)), LoggerAdapter())


def begin(loggers: Sequence[Logger], settings: Mapping[str, Any], run: RunDirectory) -> None:
    """Gives the settings to the loggers at the start of training."""
    for logger in loggers if is_first() else ():
        adapter_of(type(logger)).begin(logger, run.path, varied_settings(settings))


def log_curves(loggers: Iterable[Logger], curves: Mapping[str, float], images_seen: int) -> None:
    """Adds a point to each of these curves in all loggers."""
    for logger in loggers:
        adapter_of(type(logger)).log_curves(logger, curves, images_seen)


def show(loggers: Iterable[Logger], tag: str, image: Tensor, images_seen: int) -> None:
    """Shows a picture, uint8 [C, H, W] with C 1 (grey) or 3 (RGB), in the loggers that can."""
    for logger in loggers:
        adapter_of(type(logger)).show(logger, tag, image, images_seen)


def shows_histograms(logger: Logger) -> bool:
    return adapter_of(type(logger)).shows_histograms


def show_histogram(loggers: Iterable[Logger], tag: str, numbers: Tensor, images_seen: int) -> None:
    """Shows how numbers [N] are distributed, in the loggers that can."""
    for logger in filter(shows_histograms, loggers):
        adapter_of(type(logger)).show_histogram(logger, tag, numbers, images_seen)


def finish(loggers: Sequence[Logger], settings: Mapping[str, Any], run: RunDirectory, state: str, images_seen: int,
           ) -> None:
    """Gives the end of the run to the loggers. `state` is how it ended, or rollback."""
    if not loggers or not is_first():
        return
    end = End(state, images_seen, datetime.fromisoformat(run.started).timestamp(), varied_settings(settings),
              scores(run.path), cost(run.path, images_seen))
    for logger in loggers:
        adapter_of(type(logger)).finish(logger, run.path, end)


def make_loggers(settings: Mapping[str, Any], directory: Path, images_seen: int = 0) -> list[Logger]:
    """Returns the loggers of a run. `images_seen` is above 0 if the run is continued."""
    loggers = []
    for name, each in _settings_by_name(settings).items():
        adapter = _adapter(name, each)
        with adapter.contact(each):
            loggers.append(making.make(each, Logger, f"logger.{name}", **adapter.arguments(directory, images_seen)))
    return loggers


def refuse_missing(settings: Mapping[str, Any]) -> None:
    """Raises a RequestError if the package of a logger is not installed."""
    for name, each in _settings_by_name(settings).items():
        adapter = _adapter(name, each)
        if adapter.is_missing:
            raise RequestError(f"logger={name} needs the package {adapter.package}: type pip install "
                               f"'saddlepoint[{adapter.package}]'")


def refuse_directory(settings: Mapping[str, Any], directory: Path) -> None:
    """Raises a RequestError if a logger cannot write into a directory of this name."""
    for name, each in _settings_by_name(settings).items():
        if _adapter(name, each).only_unicode and readable(str(directory)) != str(directory):
            raise RequestError(f"logger={name} cannot write into run.dir={directory}, whose name is no "
                               "Unicode text: choose another directory, or type logger=none")


def _settings_by_name(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the settings of each logger by its name. The earliest runs had one logger without a name."""
    loggers = settings["logger"] or {}
    return {"logger": loggers} if "_target_" in loggers else dict(loggers)


def _adapter(name: str, settings: Mapping[str, Any]) -> LoggerAdapter:
    return adapter_of(making.target_class(settings, f"logger.{name}"))
