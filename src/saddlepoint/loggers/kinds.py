"""Which kind a logger is, and what a run tells each of its loggers: settings, pictures, the end."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from saddlepoint.hparams import cost, scores, varied
from saddlepoint.loggers.kind import End, Kind
from saddlepoint.loggers.mlflow import MLflow
from saddlepoint.loggers.tensorboard import TensorBoard
from saddlepoint.loggers.wandb import Wandb
from saddlepoint.parallel.first import is_first
from saddlepoint.run_directory import RunDirectory

KINDS = {TensorBoardLogger: TensorBoard(), WandbLogger: Wandb(), MLFlowLogger: MLflow()}


def kind_of(target: type) -> Kind:
    return next((kind for known, kind in KINDS.items() if issubclass(target, known)), Kind())


def begin(loggers: Sequence[Logger], settings: Mapping[str, Any], run: RunDirectory) -> None:
    for logger in loggers if is_first() else ():
        kind_of(type(logger)).begin(logger, run.path, varied(settings))


def show(loggers: Iterable[Logger], tag: str, image: Tensor, images_seen: int) -> None:
    """A picture, for loggers that show pictures. image: uint8 [C, H, W], C 1 (grey) or 3 (RGB)"""
    for logger in loggers:
        kind_of(type(logger)).show(logger, tag, image, images_seen)


def finish(loggers: Sequence[Logger], settings: Mapping[str, Any], run: RunDirectory, state: str, images_seen: int,
           ) -> None:
    """`state`: how the run ended, or rollback"""
    if not loggers or not is_first():
        return
    end = End(state, images_seen, datetime.fromisoformat(run.started).timestamp(), varied(settings), scores(run.path),
              cost(run.path, images_seen))
    for logger in loggers:
        kind_of(type(logger)).finish(logger, run.path, end)
