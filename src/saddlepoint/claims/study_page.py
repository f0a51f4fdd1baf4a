"""Writes the page of a study of ours, e.g. docs/low_data.md: rows of runs on several sets of data, after equally many
images and after equal time on a processor."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from saddlepoint.claims.measures import ValueAt
from saddlepoint.claims.repeated_rows import Repeated, repeated, without_value
from saddlepoint.claims.reproduction import Length, Reproduction
from saddlepoint.claims.results import Result
from saddlepoint.claims.texts import commands, duration, failures, figure, made_on, span, table, total_minutes
from saddlepoint.comparison.layout import NOTHING
from saddlepoint.comparison.report.rows import plural
from saddlepoint.comparison.statistics import Summary, summarise

HEAD = """# {title}

`python -m saddlepoint.commands.claims` has written this page (of an installation: `saddlepoint-claims`) from
[reproductions/{name}.yaml](../reproductions/{name}.yaml) and [results.jsonl](../claims/results.jsonl), which has a line
for every run that counts. `only=[{name}]` makes the runs that are missing.
"""
READING = """Values are means over seeds, with the 95 % interval of Student's t. Minutes are those that a processor
spent on one run, which other programs on the machine change little. Under "equal time" each run is read where it had
used as many as a whole run of the row that takes least: its curve is followed to the images that it had seen by then,
between two measurements along a straight line of logarithms."""


def study_page(study: Reproduction, results: Sequence[Result]) -> str:
    """Returns the page's Markdown; the same results give the same text."""
    head = HEAD.format(title=study.title, name=study.name).rstrip("\n")
    sections = [part for length in study.lengths for part in _section(study, length, repeated(length, results))]
    return "\n\n".join([head, *filter(None, [study.discussion]), READING, *sections]) + "\n"


def _section(study: Reproduction, length: Length, rows: Sequence[Repeated]) -> list[str]:
    there = [run for row in rows for run in row.completed]
    lines = commands((row.row.name, row.row.words) for row in rows)
    title = f"## {length.title}"
    if not there:
        return [title, f"Not run here; `only=[{study.name}/{length.name}]` would make these runs:", lines]
    without = without_value(rows, length.metrics)
    took = f"{plural(len(there), 'run')}, {duration(total_minutes(there))}: {made_on(there)}."
    return [title, table(_header(length), [_line(length, row, shortest(rows)) for row in rows]), took,
            *filter(None, ["Without a value: " + " ".join(failures(without)) if without else ""]),
            "One run of each row, seed 0:", lines]


def _header(length: Length) -> list[str]:
    return ["row", *length.metrics, *([f"{length.metrics[0]}, equal time"] if length.along else []), "minutes", "seeds"]


def _line(length: Length, row: Repeated, time: float | None) -> list[str]:
    equal = []
    if length.along:
        values = [value for run in row.completed if (value := after(length, run, row, time)) is not None]
        equal = [_value(summarise(values) if values else None)]
    return [row.row.name, *(_value(row.summary(metric)) for metric in length.metrics), *equal, figure(minutes(row)),
            str(len(row.completed)) if row.runs else NOTHING]


def _value(summary: Summary | None) -> str:
    if summary is None:
        return NOTHING
    return f"{figure(summary.mean)} {span(summary.interval)}" if summary.interval else figure(summary.mean)


def minutes(row: Repeated) -> float | None:
    """Returns the mean minutes that a processor spent on a run of the row; None if unknown."""
    known = [run.processor_minutes for run in row.completed if run.processor_minutes is not None]
    return fmean(known) if known else None


def shortest(rows: Sequence[Repeated]) -> float | None:
    """Returns the minutes of the row whose runs take least; None if none is known."""
    return min((time for row in rows if (time := minutes(row)) is not None), default=None)


def after(length: Length, run: Result, row: Repeated, time: float | None) -> float | None:
    """Returns the first metric of a run after so many minutes of a processor, at the row's mean speed; None if
    it was not measured about then."""
    whole = minutes(row)
    if time is None or whole is None or run.images_seen is None:
        return None
    metric, images = length.metrics[0], run.images_seen * time / whole
    if images >= run.images_seen:
        return run.values.get(metric)
    measured = [(each, run.values.get(ValueAt(metric, each).key)) for each in length.along]
    points = [*((each, value) for each, value in measured if value is not None),
              *([(run.images_seen, run.values[metric])] if metric in run.values else [])]
    for (first, one), (second, other) in pairwise(sorted(points)):
        if first <= images <= second and first < second:
            share = (images - first) / (second - first)
            return math.exp((1 - share) * math.log(one) + share * math.log(other)) if min(one, other) > 0 else None
    return None
