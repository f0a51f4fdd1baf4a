"""What a logger is told beside the curves, which callbacks hand to every logger alike."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from torch import Tensor

from saddlepoint.files.json_files import read_json, write_json

IDS = "loggers.json"  # in the run directory: what a service calls the run, so that it goes on there


@dataclass(frozen=True)
class End:
    """Of a run, or of its part until it goes on"""

    state: str  # completed, diverged, collapsed, stopped or rollback
    images_seen: int
    started: float  # seconds since 1970
    settings: dict[str, float | bool | str]
    scores: dict[str, float]  # as metrics.json has them
    cost: dict[str, float]

    @property
    def goes_on(self) -> bool:
        return self.state in ("stopped", "rollback")

    @property
    def values(self) -> dict[str, float]:
        return {f"final/{name}": value for name, value in {**self.scores, **self.cost}.items()}


class LoggerAdapter:
    """A logger that is told the settings at the start, and the rest by its curves."""

    package: str | None = None  # to be installed beside, by the extra of that name
    only_unicode = False  # it takes no other names of directories

    @property
    def is_missing(self) -> bool:
        found = find_spec(self.package) if self.package else True
        return found is None or getattr(found, "origin", "") is None  # a mere folder of that name has no origin

    def arguments(self, directory: Path, images_seen: int) -> dict[str, Any]:
        """What a run knows and a yaml file does not. `images_seen`: where the run goes on"""
        return {"save_dir": str(directory)}

    def contact(self, settings: Mapping[str, Any]) -> AbstractContextManager:
        """Around the making of the logger. `settings`: its own"""
        return nullcontext()

    def begin(self, logger: Logger, directory: Path, settings: dict[str, float | bool | str]) -> None:
        logger.log_hyperparams(settings)

    def show(self, logger: Logger, tag: str, image: Tensor, images_seen: int) -> None:
        """image: uint8 [C, H, W], C 1 (grey) or 3 (RGB)"""

    def finish(self, logger: Logger, directory: Path, end: End) -> None: ...


def remembered(directory: Path, service: str) -> str | None:
    return (read_json(directory / IDS) or {}).get(service)


def remember(directory: Path, service: str, name: str) -> None:
    path = directory / IDS
    write_json(path, {**(read_json(path) or {}), service: name})
