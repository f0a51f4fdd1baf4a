"""The values that a question is about, and what to say when there are none."""

from collections.abc import Iterable, Sequence

from saddlepoint.comparison.columns import Measured, that_binds
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.values import measured
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError
from saddlepoint.runs.record import Run, Score


def selected(runs: Sequence[Run], question: Question) -> list[Measured]:
    """Of each run and metric asked for, in the order of `metric`, else as they were measured."""
    known = [score for run in runs for score in (*run.metrics, *(run.evaluations() if question.evaluations else ()))]
    wanted = _names(question.metric, known)
    _check_across(question.across, known)
    found = [each for run in runs for each in measured(run, question.value, question.evaluations)]
    return [each for name in wanted for each in found if each.score.name == name]


def short(score: Score) -> str:
    """fid_digits -> fid"""
    return score.name.removesuffix(f"_{score.protocol.get('extractor', '')}")


def _names(asked: Sequence[str] | None, known: Iterable[Score]) -> list[str]:
    """With their extractors; one name without may stand for several."""
    there = {score.name: short(score) for score in known}
    if asked is None:
        return [*there]
    for name in asked:
        if name not in there and name not in there.values():
            listed = ", ".join(there) or "none at all"
            raise RequestError(f"metric={name} was measured of none of these runs{nearest(name, there)} "
                               f"(there are {listed})")
    return [name for each in asked for name in there if each in (name, there[name])]


def _check_across(across: Sequence[str], known: Iterable[Score]) -> None:
    fields = {"images_seen"} | {name for score in known for name in that_binds(score.protocol)}
    for name in across:
        if name not in fields:
            raise RequestError(f"across={name} is not a part of these values' protocols{nearest(name, fields)} "
                               f"(there are {', '.join(sorted(fields))})")
