"""Selects the measurements that a question asks for, and refuses names that no run has."""

from collections.abc import Iterable, Sequence

from saddlepoint.comparison.columns import Measurement, binding_fields
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.values import measurements_of
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError
from saddlepoint.runs.record import Run, Score


def select_measurements(runs: Sequence[Run], question: Question) -> list[Measurement]:
    """Returns the measurements of all runs in the order of `question.metric`, else in the order of the scores.

    Raises a RequestError for a metric or a field of `question.across` that no score has.
    """
    scores = [score for run in runs for score in (*run.metrics, *(run.evaluations() if question.evaluations else ()))]
    names = _full_names(question.metric, scores)
    _refuse_unknown_fields(question.across, scores)
    measurements = [each for run in runs for each in measurements_of(run, question.value, question.evaluations)]
    return [each for name in names for each in measurements if each.score.name == name]


def name_without_extractor(score: Score) -> str:
    """Returns a score's name without its extractor: fid_digits -> fid."""
    return score.name.removesuffix(f"_{score.protocol.get('extractor', '')}")


def _full_names(metrics: Sequence[str] | None, scores: Iterable[Score]) -> list[str]:
    """Returns names of scores with their extractors; `fid` stands for the FID by every extractor, None for all."""
    short_names = {score.name: name_without_extractor(score) for score in scores}
    if metrics is None:
        return [*short_names]
    for metric in metrics:
        if metric not in short_names and metric not in short_names.values():
            listed = ", ".join(short_names) or "none at all"
            raise RequestError(f"metric={metric} was measured of none of these runs{nearest(metric, short_names)} "
                               f"(there are {listed})")
    return [name for metric in metrics for name in short_names if metric in (name, short_names[name])]


def _refuse_unknown_fields(across: Sequence[str], scores: Iterable[Score]) -> None:
    fields = {"images_seen"} | {name for score in scores for name in binding_fields(score.protocol)}
    for name in across:
        if name not in fields:
            raise RequestError(f"across={name} is not a part of these values' protocols{nearest(name, fields)} "
                               f"(there are {', '.join(sorted(fields))})")
