"""Which of a run's values stands in the table: the last, the best, or that after a number of images."""

from collections.abc import Iterator
from dataclasses import replace

from saddlepoint.comparison.columns import Measured
from saddlepoint.metrics.comparable import greater_is_better
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run, Score

OVER = ("completed", "diverged", "collapsed")  # training itself came to its end


def measured(run: Run, value: str | int, evaluations: bool = True) -> list[Measured]:
    """value=last: of completed runs, since others stand somewhere else. best: what the best checkpoint by the first
    metric scored, of runs that are over. A number: the first measurement after that many images, of any run.
    `evaluations`: of these checkpoints, what evaluate.py measured as well."""
    first, last = _moment(run, value)
    if first is None:
        return []
    found = [*_in_training(run, first, last)] if value != "last" else [
        Measured(run, score, last if score.images_seen is None else score.images_seen)
        for score in run.metrics if score.value is not None]
    if evaluations:
        found += [Measured(run, score, score.images_seen) for score in run.evaluations()
                  if score.value is not None and score.images_seen is not None and first <= score.images_seen <= last]
    return [replace(each, images=None) for each in found] if value == "best" else found


def _moment(run: Run, value: str | int) -> tuple[int, int] | tuple[None, None]:
    """Images seen, from and to; None: this run has no such moment"""
    if value == "last":
        moment = run.images_seen if run.state == "completed" else None
    elif value == "best":
        moment = _best_moment(run) if run.state in OVER else None
    else:
        return int(value), int(value) + (reading.count(reading.mapping(run.settings, "data"), "batch_size") or 1) - 1
    return moment, moment


def _in_training(run: Run, first: int, last: int) -> Iterator[Measured]:
    """The first measurement of each metric in first .. last images seen; metrics.csv keeps those that metrics.json has
    replaced by later ones of the same protocol."""
    for score in run.metrics:
        points = [(images, value) for images, value in curve(run, score) if first <= images <= last]
        if points:
            images, value = points[0]
            own = images == score.images_seen
            yield Measured(run, replace(score, value=value, images_seen=images,
                                        interval=score.interval if own else None), images)


def curve(run: Run, score: Score) -> list[tuple[int, float]]:
    """(images seen, value) of a score through training, the newest included."""
    points = dict(run.curves().get(f"quality/{score.name}", ()))
    if score.images_seen is not None and score.value is not None:
        points[score.images_seen] = score.value
    return sorted(points.items())


def _best_moment(run: Run) -> int | None:
    """Images seen by checkpoints/best.ckpt. Enlarging runs have no `best` in metrics.json: the best of the curve of
    their first metric."""
    if run.best:
        return run.best.images_seen
    if not run.metrics:
        return None
    first = run.metrics[0]
    greater, points = greater_is_better(first.name, first.protocol.get("extractor", "")), curve(run, first)
    if greater is None or not points:
        return None
    return max(points, key=lambda point: point[1] if greater else -point[1])[0]
