"""The adapter for MLflow (https://mlflow.org/docs/latest/ml/tracking)."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import filelock
import numpy
from pytorch_lightning.loggers import Logger
from torch import Tensor

from saddlepoint.errors import RequestError
from saddlepoint.sampling import pictures
from saddlepoint.training.loggers.adapter import End, LoggerAdapter, read_id, write_id

SQLITE = "sqlite:///"
STATUS = {"completed": "FINISHED", "stopped": "KILLED", "rollback": "RUNNING"}  # else FAILED


class MLflow(LoggerAdapter):
    """An adapter that continues a run in MLflow under the same id."""

    package = "mlflow"
    only_unicode = True

    def arguments(self, directory: Path, images_seen: int) -> dict[str, Any]:
        return {"run_name": directory.name, "run_id": read_id(directory, self.package),
                "tags": {"group": directory.resolve().parent.name, "directory": str(directory)}}

    def contact(self, settings: Mapping[str, Any]) -> AbstractContextManager:
        return exclusive_access(settings["tracking_uri"])

    def begin(self, logger: Logger, directory: Path, settings: dict[str, float | bool | str]) -> None:
        """Logs the settings that MLflow does not know yet, as it lets no parameter of a continued run change."""
        with exclusive_access(logger._tracking_uri):
            run_id = logger.run_id
            write_id(directory, self.package, run_id)
            logger.experiment.update_run(run_id, status="RUNNING")
            known = logger.experiment.get_run(run_id).data.params
            super().begin(logger, directory, {name: each for name, each in settings.items() if name not in known})

    def show(self, logger: Logger, tag: str, image: Tensor, images_seen: int) -> None:
        pixels = numpy.asarray(pictures.as_pillow(image))
        logger.experiment.log_image(logger.run_id, pixels, key=tag, step=images_seen)

    def finish(self, logger: Logger, directory: Path, end: End) -> None:
        if not end.goes_on:
            logger.log_metrics(end.values, step=end.images_seen)
        logger.experiment.update_run(logger.run_id, status=STATUS.get(end.state, "FAILED"))


@contextmanager
def exclusive_access(uri: str) -> Iterator[None]:
    """Holds a lock on MLflow's SQLite file, if it is one, as processes fail that create its tables or the experiment at
    the same time. Raises a RequestError if MLflow cannot use the address."""
    from mlflow.exceptions import MlflowException
    for name in ("mlflow", "pytorch_lightning.loggers.mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    file = Path(uri.removeprefix(SQLITE))
    lock = filelock.FileLock(file.with_name(f".{file.name}.lock")) if uri.startswith(SQLITE) else nullcontext()
    try:
        with lock:
            yield
    except MlflowException as error:
        raise RequestError(f"logger.mlflow.tracking_uri={uri} cannot be used: {error}") from error
