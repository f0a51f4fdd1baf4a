"""The number that a search makes small or large: a score of training, read from metrics.csv as it grows."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.comparison.columns import binding_fields
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError
from saddlepoint.metrics.comparable import GREATER_IS_BETTER, greater_is_better
from saddlepoint.runs.reading import Unreadable, curves, read_json
from saddlepoint.runs.record import scores

PREFIX = "quality/"
OF_UPSCALING = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")


@dataclass(frozen=True)
class Objective:
    metric: str  # without its extractor: fid
    value: str  # last: at the end of the run; best: of all its measurements
    direction: str  # minimize or maximize
    every_images: int | None = None  # between two measurements
    moments: tuple[int, ...] = ()  # at which it is measured as well
    budget_images: int | None = None

    def points(self, run: str | Path) -> tuple[str, list[tuple[int, float]]]:
        """-> the score's name with its extractor, and (images, value) of each finite measurement so far"""
        found = curves(Path(run) / "metrics.csv")
        name = next((column.removeprefix(PREFIX) for column in found
                     if column.startswith(PREFIX) and metric_of(column.removeprefix(PREFIX), self.metric)), self.metric)
        return name, [(self.due(images), value) for images, value in found.get(f"{PREFIX}{name}", [])]

    def protocol(self, run: str | Path) -> dict[str, Any]:
        """What must agree for its score to be compared with another's; {}: it has not said. Averaged weights (EMA) may
        be a part of what is searched."""
        with suppress(Unreadable):
            name, found = self.points(run)[0], scores(read_json(Path(run) / "metrics.json"))
            return next((binding_fields(each.protocol, ("ema",)) for each in found if each.name == name), {})
        return {}

    def due(self, images_seen: int) -> int:
        """The moment whose turn it was: batches of another size pass it by another number of images, and the pruners
        compare measurements of the same moment only."""
        every = images_seen // self.every_images * self.every_images if self.every_images else 0
        planned = [moment for moment in (*self.moments, self.budget_images or 0, every) if 0 < moment <= images_seen]
        return max(planned, default=images_seen)

    def of(self, points: list[tuple[int, float]]) -> float | None:
        if not points:
            return None
        values = [value for _, value in points]
        return values[-1] if self.value == "last" else self.best(values)

    def best(self, values: list[float]) -> float:
        return max(values) if self.direction == "maximize" else min(values)


def metric_of(column: str, metric: str) -> bool:
    """Whether fid_digits is a fid; fid_infinity_digits is none"""
    longer = [name for name in GREATER_IS_BETTER if name != metric and name.startswith(f"{metric}_")]
    return _begins(column, metric) and not any(_begins(column, name) for name in longer)


def _begins(column: str, metric: str) -> bool:
    return column == metric or column.startswith(f"{metric}_")


def objective_of(settings: Mapping[str, Any], metric: str | None, value: str, direction: str | None) -> Objective:
    """`settings`: those that all trials share; the rest as typed, None where the run's own metric shall decide"""
    measured, callback = _measured(settings["callbacks"])
    if metric is not None and metric not in measured:
        raise RequestError(f"hydra.sweeper.metric={metric} is not measured in training{nearest(metric, measured)} "
                           f"(measured: {', '.join(measured)})")
    metric = metric or measured[0]
    more = greater_is_better(metric)
    if direction is None and more is None:
        raise RequestError(f"Whether more or less of {metric} is better is not known: type "
                           "hydra.sweeper.direction=minimize or maximize, or another hydra.sweeper.metric")
    return Objective(metric, value, direction or ("maximize" if more else "minimize"), callback["every_images"],
                     tuple(callback["moments"]), settings["budget"]["images"])


def _measured(callbacks: Mapping[str, Any]) -> tuple[list[str], Mapping[str, Any]]:
    if "upscaling_quality" in callbacks:
        callback = callbacks["upscaling_quality"]
        return [*OF_UPSCALING, *callback["more"]], callback
    callback = callbacks.get("sample_quality", {"metric": []})
    measured = ["fid", "is"] if callback["metric"] is None else list(callback["metric"])
    if not measured:
        raise RequestError("A search needs a score that is measured in training, and callbacks.sample_quality.metric "
                           "names none: type callbacks=default, or callbacks.sample_quality.metric=fid")
    return measured, callback
