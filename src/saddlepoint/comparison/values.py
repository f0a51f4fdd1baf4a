"""Picks the value of a run that stands in the table: the last, the best, or the one after a number of images."""

from collections.abc import Iterator
from dataclasses import replace

from saddlepoint.comparison.columns import Measurement
from saddlepoint.metrics.comparable import greater_is_better
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run, Score

OVER = ("completed", "diverged", "collapsed")  # states in which training itself has ended


def measurements_of(run: Run, value: str | int, evaluations: bool = True) -> list[Measurement]:
    """Returns the measurements of a run that `value` asks for, one for each metric and protocol; empty if it has none.

    value=last: the last ones of a completed run (other runs have not seen as many images).
    value=best: those of the best checkpoint by the first metric, for a run whose training has ended.
    value=N: the first ones after N images, for any run.
    With `evaluations`, what evaluate.py measured of the same checkpoints is added.
    """
    first, last = _images_range(run, value)
    if first is None:
        return []
    measurements = [*_in_training(run, first, last)] if value != "last" else [
        Measurement(run, score, last if score.images_seen is None else score.images_seen)
        for score in run.metrics if score.value is not None]
    if evaluations:
        measurements += [
            Measurement(run, score, score.images_seen) for score in run.evaluations()
            if score.value is not None and score.images_seen is not None and first <= score.images_seen <= last]
    return [replace(each, images=None) for each in measurements] if value == "best" else measurements


def _images_range(run: Run, value: str | int) -> tuple[int, int] | tuple[None, None]:
    """Returns the range of images seen, both ends included, in which the measurements that `value` asks for were made;
    (None, None) if the run has no such measurements."""
    if value == "last":
        moment = run.images_seen if run.state == "completed" else None
    elif value == "best":
        moment = _best_moment(run) if run.state in OVER else None
    else:
        return int(value), int(value) + (reading.count(reading.mapping(run.settings, "data"), "batch_size") or 1) - 1
    return moment, moment


def _in_training(run: Run, first: int, last: int) -> Iterator[Measurement]:
    """Yields the first measurement of each metric between `first` and `last` images seen. Earlier values are read from
    metrics.csv, since metrics.json holds only the last ones of the same protocol."""
    for score in run.metrics:
        points = [(images, value) for images, value in curve(run, score) if first <= images <= last]
        if points:
            images, value = points[0]
            interval = score.interval if images == score.images_seen else None
            yield Measurement(run, replace(score, value=value, images_seen=images, interval=interval), images)


def curve(run: Run, score: Score) -> list[tuple[int, float]]:
    """Returns the points (images seen, value) of a score over training, the newest included, without those that were
    measured by another protocol before."""
    points = {images: value for images, value in run.curve_points().get(f"quality/{score.name}", ())
              if images >= score.protocol_since}
    if score.images_seen is not None and score.value is not None:
        points[score.images_seen] = score.value
    return sorted(points.items())


def _best_moment(run: Run) -> int | None:
    """Returns the images seen by checkpoints/best.ckpt; None if it is not known.

    Super-resolution runs have no `best` in metrics.json; theirs is the best point of the first metric's curve.
    """
    if run.best:
        return run.best.images_seen
    if not run.metrics:
        return None
    first = run.metrics[0]
    greater, points = greater_is_better(first.name, first.protocol.get("extractor", "")), curve(run, first)
    if greater is None or not points:
        return None
    return max(points, key=lambda point: point[1] if greater else -point[1])[0]
