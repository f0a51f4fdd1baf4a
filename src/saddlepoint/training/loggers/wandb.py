"""The adapter for Weights & Biases (https://docs.wandb.ai)."""

import uuid
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from torch import Tensor

from saddlepoint.errors import RequestError
from saddlepoint.sampling import pictures
from saddlepoint.training.loggers.adapter import End, LoggerAdapter, histogram, read_id, write_id


class Wandb(LoggerAdapter):
    """An adapter that continues a run in Weights & Biases under the same id."""

    package = "wandb"
    only_unicode = True
    shows_histograms = True

    def arguments(self, directory: Path, images_seen: int) -> dict[str, Any]:
        return super().arguments(directory, images_seen) | {
            "name": directory.name,
            "group": directory.resolve().parent.name,
            "id": read_id(directory, self.package) or uuid.uuid4().hex[:12],
        }

    def begin(self, logger: Logger, directory: Path, settings: dict[str, float | bool | str]) -> None:
        import wandb
        if wandb.run is not None:  # another run of this process, which an error ended
            wandb.finish(exit_code=1)
        write_id(directory, self.package, logger.version)
        try:
            super().begin(logger, directory, settings)
        except wandb.errors.Error as error:
            reason = str(error).rstrip(".")
            raise RequestError(f"logger=wandb cannot begin: {reason}. With logger.wandb.offline=true it needs no "
                               "network and no account") from error

    def show(self, logger: Logger, tag: str, image: Tensor, images_seen: int) -> None:
        logger.log_image(tag, [pictures.as_pillow(image)], step=images_seen)

    def show_histogram(self, logger: Logger, tag: str, numbers: Tensor, images_seen: int) -> None:
        import wandb
        logger.log_metrics({tag: wandb.Histogram(np_histogram=histogram(numbers))}, step=images_seen)

    def finish(self, logger: Logger, directory: Path, end: End) -> None:
        logger.experiment.summary.update(end.values)
        logger.experiment.finish(exit_code=0 if end.goes_on or end.state == "completed" else 1)
