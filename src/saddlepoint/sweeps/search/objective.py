"""Reads the number that a search minimises or maximises, a score of training, from metrics.csv as the file grows."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saddlepoint.comparison.columns import binding_fields
from saddlepoint.comparison.selection import name_without_extractor
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError
from saddlepoint.metrics.comparable import GREATER_IS_BETTER, greater_is_better
from saddlepoint.runs.reading import Unreadable, curves, read_json
from saddlepoint.runs.record import scores
from saddlepoint.sweeps.search.space import Space

PREFIX = "quality/"
AUTO = "auto"
LEAST = 12_000  # images between two measurements of a trial with sample_quality, whatever its budget
MEASURING = ("sample_quality", "upscaling_quality", "translation_quality")  # callbacks
OF_UPSCALING = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")  # metrics that super-resolution runs always measure
OF_TRANSLATION = ("psnr_rgb", "mean_error", "cycle_error")  # the first two if the true translations are known


@dataclass(frozen=True)
class Objective:
    """The number that a search optimises, and when runs measure it."""

    metric: str  # without its extractor, e.g. fid
    value: str  # last: the run's last measurement counts; best: the best of all
    direction: str  # minimize or maximize
    every_images: int | None = None  # images seen between two measurements
    moments: tuple[int, ...] = ()  # further numbers of images after which it is measured
    budget_images: int | None = None

    def points(self, run: str | Path) -> tuple[str, list[tuple[int, float]]]:
        """Returns the score's name with its extractor, and the points (planned moment, value) measured so far by the
        run in a directory. Values that are not finite are left out."""
        columns = curves(Path(run) / "metrics.csv")
        names = [column.removeprefix(PREFIX) for column in columns if column.startswith(PREFIX)]
        name = next((name for name in names if is_metric(name, self.metric)), self.metric)
        return name, [(self.planned_moment(images), value) for images, value in columns.get(f"{PREFIX}{name}", [])]

    def protocol(self, run: str | Path) -> dict[str, Any]:
        """Returns the fields of the protocol that must be equal for scores to be compared; {} if the run has not
        written them. Averaged weights (EMA) are not among them, since a search may vary them."""
        with suppress(Unreadable):
            name, measured = self.points(run)[0], scores(read_json(Path(run) / "metrics.json"))
            return next((binding_fields(each.protocol, ("ema",)) for each in measured if each.name == name), {})
        return {}

    def measured(self, run: str | Path) -> list[str]:
        """Returns the metrics that the run in a directory has measured, finite or not, without their extractors."""
        with suppress(Unreadable):
            return [name_without_extractor(each) for each in scores(read_json(Path(run) / "metrics.json"))]
        return []

    def planned_moment(self, images_seen: int) -> int:
        """Returns the number of images after which a measurement at `images_seen` was planned.

        The end of a batch passes it by a number of images that depends on the batch size, and pruners compare
        measurements with equal numbers only.
        """
        every = images_seen // self.every_images * self.every_images if self.every_images else 0
        planned = [moment for moment in (*self.moments, self.budget_images or 0, every) if 0 < moment <= images_seen]
        return max(planned, default=images_seen)

    def score(self, points: list[tuple[int, float]]) -> float | None:
        """Returns the value that counts of all points, or None if there are none."""
        if not points:
            return None
        values = [value for _, value in points]
        return values[-1] if self.value == "last" else self.best(values)

    def best(self, values: list[float]) -> float:
        """Returns the greatest or the least of the values, by the direction of the search."""
        return max(values) if self.direction == "maximize" else min(values)


def is_metric(name: str, metric: str) -> bool:
    """Returns whether a score is one of `metric` by some extractor: fid_digits is a fid, fid_infinity_digits is not."""
    longer = [other for other in GREATER_IS_BETTER if other != metric and other.startswith(f"{metric}_")]
    return _begins(name, metric) and not any(_begins(name, other) for other in longer)


def _begins(name: str, metric: str) -> bool:
    return name == metric or name.startswith(f"{metric}_")


def measured_alike(space: Space, settings: Mapping[str, Any]) -> Space:
    """Returns the space with a number in place of every_images=auto of the callback that measures, which depends on a
    trial's budget and networks: only scores after the same number of images compare."""
    for name in MEASURING:
        if settings["callbacks"].get(name, {}).get("every_images") == AUTO:
            return replace(space, moments=(f"callbacks.{name}.every_images={images_between(name, settings)}",))
    return space


def images_between(callback: str, settings: Mapping[str, Any]) -> int:
    """Returns the number of images between two measurements of a callback, in all trials."""
    every = settings["callbacks"][callback]["every_images"]
    if every != AUTO:
        return every
    budget = max(settings["budget"]["images"] // 20, 1)
    return max(budget, LEAST) if callback == "sample_quality" else budget


def choose_objective(settings: Mapping[str, Any], metric: str | None, value: str, direction: str | None) -> Objective:
    """Returns the objective of a search, or raises a RequestError if it is not measured in training.

    `settings` are those that all trials share. `metric` None: the run's first metric; `direction` None: the one that is
    better for the metric.
    """
    measured, callback = _measured_metrics(settings["callbacks"])
    if metric is not None and metric not in measured:
        raise RequestError(f"hydra.sweeper.metric={metric} is not measured in training{nearest(metric, measured)} "
                           f"(measured: {', '.join(measured)})")
    metric = metric or measured[0]
    greater = greater_is_better(metric)
    if direction is None and greater is None:
        raise RequestError(f"Whether more or less of {metric} is better is not known: type "
                           "hydra.sweeper.direction=minimize or maximize, or another hydra.sweeper.metric")
    return Objective(metric, value, direction or ("maximize" if greater else "minimize"),
                     images_between(callback, settings), tuple(settings["callbacks"][callback]["moments"]),
                     settings["budget"]["images"])


def _measured_metrics(callbacks: Mapping[str, Any]) -> tuple[list[str], str]:
    """Returns the metrics that are measured in training, and the name of the callback that measures them."""
    if "upscaling_quality" in callbacks:
        return [*OF_UPSCALING, *callbacks["upscaling_quality"]["more"]], "upscaling_quality"
    if "translation_quality" in callbacks:
        more = ["kept_class"] if callbacks["translation_quality"]["kept_class"] else []
        return [*OF_TRANSLATION, *more], "translation_quality"
    callback = callbacks.get("sample_quality", {"metric": []})
    measured = ["fid", "is"] if callback["metric"] is None else list(callback["metric"])
    if not measured:
        raise RequestError("A search needs a score that is measured in training, and callbacks.sample_quality.metric "
                           "names none: type callbacks=default, or callbacks.sample_quality.metric=fid")
    return measured, "sample_quality"
