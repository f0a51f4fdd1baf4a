"""Defines how a logger gets settings, curves, pictures and the end of a run."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger
from torch import Tensor

from saddlepoint.files.json_files import read_json, write_json

IDS = "loggers.json"  # in the run directory: the ids of the run in services, so that it is continued under the same id


@dataclass(frozen=True)
class End:
    """The end of a run, or of the part before it is continued."""

    state: str  # completed, diverged, collapsed, stopped or rollback
    images_seen: int
    started: float  # seconds since 1970
    settings: dict[str, float | bool | str]
    scores: dict[str, float]  # as metrics.json has them
    cost: dict[str, float]

    @property
    def goes_on(self) -> bool:
        """Returns whether the run may be continued."""
        return self.state in ("stopped", "rollback")

    @property
    def values(self) -> dict[str, float]:
        """Returns scores and cost by their names in loggers."""
        return {f"final/{name}": value for name, value in {**self.scores, **self.cost}.items()}


class LoggerAdapter:
    """The base of all adapters, for loggers that get the settings at the start and nothing else beside curves."""

    package: str | None = None  # a package that it needs; the extra of that name installs it
    shows_histograms = False  # whether it has show_histogram(logger, tag, numbers, images_seen)
    only_unicode = False  # whether it refuses names of directories that are no valid Unicode

    @property
    def is_missing(self) -> bool:
        if not self.package:
            return False
        spec = find_spec(self.package)
        return spec is None or spec.origin is None  # a folder of that name that is no package has no origin

    def arguments(self, directory: Path, images_seen: int) -> dict[str, Any]:
        """Returns the arguments of the logger that depend on the run. `images_seen` is above 0 if the run is
        continued."""
        return {"save_dir": str(directory)}

    def contact(self, settings: Mapping[str, Any]) -> AbstractContextManager:
        """Returns a context in which the logger is constructed. `settings` are those of the logger."""
        return nullcontext()

    def begin(self, logger: Logger, directory: Path, settings: dict[str, float | bool | str]) -> None:
        """Gives the settings to the logger, at the start of training."""
        logger.log_hyperparams(settings)

    def log_curves(self, logger: Logger, curves: Mapping[str, float], images_seen: int) -> None:
        """Adds a point to each of these curves."""
        logger.log_metrics(curves, step=images_seen)

    def show(self, logger: Logger, tag: str, image: Tensor, images_seen: int) -> None:
        """Shows a picture, uint8 [C, H, W] with C 1 (grey) or 3 (RGB), if the logger can."""

    def finish(self, logger: Logger, directory: Path, end: End) -> None:
        """Gives the end of the run to the logger, if it shows that."""


def histogram(numbers: Tensor, bins: int = 64) -> tuple[list[float], list[float]]:
    """Returns how many of some finite numbers [N] lie in each of `bins` equal intervals, and the edges of these, one
    more; one interval if all numbers are equal. It is counted where the numbers are: the loggers' own ways, with a
    thousand intervals, take longer than training a small network."""
    least, greatest = (each.item() for each in numbers.aminmax())
    if least == greatest:
        return [float(len(numbers))], [least, greatest]
    counts = torch.histc(numbers, bins, least, greatest)
    return counts.tolist(), torch.linspace(least, greatest, bins + 1, dtype=torch.float64).tolist()


def read_id(directory: Path, service: str) -> str | None:
    """Returns the id of the run in a service, or None if it has none."""
    return (read_json(directory / IDS) or {}).get(service)


def write_id(directory: Path, service: str, name: str) -> None:
    """Stores the id of the run in a service."""
    path = directory / IDS
    write_json(path, {**(read_json(path) or {}), service: name})
