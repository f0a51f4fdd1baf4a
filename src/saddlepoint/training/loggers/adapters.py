"""Which kind a logger is, and what a run tells each of its loggers: settings, pictures, the end."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from saddlepoint import build
from saddlepoint.config.spelling import readable
from saddlepoint.errors import RequestError
from saddlepoint.parallel.first import is_first
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training.loggers.adapter import End, LoggerAdapter
from saddlepoint.training.loggers.hparams import cost, scores, varied
from saddlepoint.training.loggers.mlflow import MLflow
from saddlepoint.training.loggers.tensorboard import TensorBoard
from saddlepoint.training.loggers.wandb import Wandb

ADAPTERS = {TensorBoardLogger: TensorBoard(), WandbLogger: Wandb(), MLFlowLogger: MLflow()}


def adapter_of(target: type) -> LoggerAdapter:
    return next((kind for known, kind in ADAPTERS.items() if issubclass(target, known)), LoggerAdapter())


def begin(loggers: Sequence[Logger], settings: Mapping[str, Any], run: RunDirectory) -> None:
    for logger in loggers if is_first() else ():
        adapter_of(type(logger)).begin(logger, run.path, varied(settings))


def show(loggers: Iterable[Logger], tag: str, image: Tensor, images_seen: int) -> None:
    """A picture, for loggers that show pictures. image: uint8 [C, H, W], C 1 (grey) or 3 (RGB)"""
    for logger in loggers:
        adapter_of(type(logger)).show(logger, tag, image, images_seen)


def finish(loggers: Sequence[Logger], settings: Mapping[str, Any], run: RunDirectory, state: str, images_seen: int,
           ) -> None:
    """`state`: how the run ended, or rollback"""
    if not loggers or not is_first():
        return
    end = End(state, images_seen, datetime.fromisoformat(run.started).timestamp(), varied(settings), scores(run.path),
              cost(run.path, images_seen))
    for logger in loggers:
        adapter_of(type(logger)).finish(logger, run.path, end)


def make_loggers(settings: Mapping[str, Any], directory: Path, images_seen: int = 0) -> list[Logger]:
    """`images_seen`: where a run goes on"""
    loggers = []
    for name, each in _chosen(settings).items():
        kind = _adapter(name, each)
        with kind.contact(each):
            loggers.append(build.make(each, Logger, f"logger.{name}", **kind.arguments(directory, images_seen)))
    return loggers


def refuse_missing(settings: Mapping[str, Any]) -> None:
    for name, each in _chosen(settings).items():
        kind = _adapter(name, each)
        if kind.is_missing:
            raise RequestError(f"logger={name} needs the package {kind.package}: type pip install "
                               f"'saddlepoint[{kind.package}]'")


def refuse_directory(settings: Mapping[str, Any], directory: Path) -> None:
    for name, each in _chosen(settings).items():
        if _adapter(name, each).only_unicode and readable(str(directory)) != str(directory):
            raise RequestError(f"logger={name} cannot write into run.dir={directory}, whose name is no "
                               "Unicode text: choose another directory, or type logger=none")


def _chosen(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Name -> settings. The first runs had one, without a name."""
    given = settings["logger"] or {}
    return {"logger": given} if "_target_" in given else dict(given)


def _adapter(name: str, settings: Mapping[str, Any]) -> LoggerAdapter:
    return adapter_of(build.target_class(settings, f"logger.{name}"))
