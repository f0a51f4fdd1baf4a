"""Writes the page of a study of ours, e.g. docs/low_data.md: rows of runs on several sets of data, after equally many
images and after equal time on a processor."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

from saddlepoint.claims.measures import ValueAt
from saddlepoint.claims.repeated_rows import Repeated, repeated, weights, without_value
from saddlepoint.claims.reproduction import Length, Reproduction
from saddlepoint.claims.results import Result
from saddlepoint.claims.texts import commands, duration, estimate, failures, figure, made_on, table, total_minutes
from saddlepoint.comparison.layout import NOTHING
from saddlepoint.comparison.report.rows import plural
from saddlepoint.comparison.statistics import Summary, summarise

HEAD = """# {title}

`python -m saddlepoint.commands.claims` has written this page (of an installation: `saddlepoint-claims`) from
[reproductions/{name}.yaml](../reproductions/{name}.yaml) and [results.jsonl](../claims/results.jsonl), which has a line
for every run that counts. `only=[{name}]` makes the runs that are missing.
"""
READING = """## How to read it

Values are means over seeds, with the 95 % interval of Student's t. Minutes are those that a processor
spent on one run, which other programs on the machine change little. Under "equal time" each run is read where it had
used as many as a whole run of the row that takes least: its curve is followed to the images that it had seen by then,
between two measurements along a straight line of logarithms."""
RATIOS = """Ratios ("of {row}") are geometric means of the first metric's ratios to the runs of {row} with the same
seeds, with the 95 % interval of Student's t of their logarithms: one that holds 1 does not tell the two apart, and of
twenty rows without a difference one leaves it out by chance."""
Cell = Callable[[Repeated], str]
Reader = Callable[[Result, Repeated], float | None]  # a value of a run of a row


def study_page(study: Reproduction, results: Sequence[Result]) -> str:
    """Returns the page's Markdown; the same results give the same text."""
    head = HEAD.format(title=study.title, name=study.name).rstrip("\n")
    there = [(length, repeated(length, results)) for length in study.lengths]
    sections = [part for length, rows in there for part in _section(study, length, rows)]
    reading = [READING, *([RATIOS.format(row=study.compared_with)] if study.compared_with else [])]
    return "\n\n".join([head, *_overview(study, there), *filter(None, [study.discussion]), *reading, *sections]) + "\n"


def _overview(study: Reproduction, there: Sequence[tuple[Length, Sequence[Repeated]]]) -> list[str]:
    """Returns tables of the ratios of all rows on all sets of data; none of fewer than two sets with ratios."""
    compared = [(length, rows, baseline) for length, rows in there if (baseline := _baseline(study, rows)) and
                baseline.completed]
    if len(compared) < 2:
        return []

    def cell(name: str, length: Length, rows: Sequence[Repeated], baseline: Repeated, value: Reader) -> str:
        row = next((row for row in rows if row.row.name == name), None)
        return ratio(row, baseline, value) if row else NOTHING

    parts = []
    for when, value_of in (("equally many images", _at_end), ("equal time", _at_equal_time)):
        columns = [(length, rows, baseline, value_of(length, rows)) for length, rows, baseline in compared
                   if value_of is _at_end or length.along]
        names = dict.fromkeys(row.row.name for _, rows, baseline, _ in columns for row in rows if row is not baseline)
        if columns:
            parts += [f"{' or '.join(dict.fromkeys(length.metrics[0] for length, *_ in columns))}, divided by that of "
                      f"{study.compared_with}, after {when} ([how to read it](#how-to-read-it)):",
                      table(["row", *(length.title for length, *_ in columns)],
                            [[name, *(cell(name, *column) for column in columns)] for name in names])]
    return parts


def _baseline(study: Reproduction, rows: Sequence[Repeated]) -> Repeated | None:
    return next((row for row in rows if row.row.name == study.compared_with), None)


def _at_end(length: Length, rows: Sequence[Repeated]) -> Reader:
    return lambda run, row: run.values.get(length.metrics[0])


def _at_equal_time(length: Length, rows: Sequence[Repeated]) -> Reader:
    time = shortest(rows)
    return lambda run, row: after(length, run, row, time)


def _section(study: Reproduction, length: Length, rows: Sequence[Repeated]) -> list[str]:
    there = [run for row in rows for run in row.completed]
    lines = commands((row.row.name, row.row.words) for row in rows)
    title = f"## {length.title}"
    if not there:
        return [title, f"Not run here; `only=[{study.name}/{length.name}]` would make these runs:", lines]
    reasons = without_value(rows, length.metrics)
    without = ["Without a value: " + " ".join(failures(reasons))] if reasons else []
    took = f"{plural(len(there), 'run')}, {duration(total_minutes(there))}: {made_on(there)}."
    columns = _columns(length, rows, _baseline(study, rows))
    return [title, table(["row", *(name for name, _ in columns)],
                         [[row.row.name, *(cell(row) for _, cell in columns)] for row in rows]), took,
            *weights(length, rows), *without, "One run of each row, seed 0:", lines]


def _columns(length: Length, rows: Sequence[Repeated], baseline: Repeated | None) -> list[tuple[str, Cell]]:
    """Returns the columns behind the row's name: what stands above, and what stands in a row."""
    metric, at_end, at_equal_time = length.metrics[0], _at_end(length, rows), _at_equal_time(length, rows)

    def mean(row: Repeated) -> str:
        values = [value for run in row.completed if (value := at_equal_time(run, row)) is not None]
        return _value(summarise(values) if values else None)

    columns: list[tuple[str, Cell]] = [(each, lambda row, each=each: _value(row.summary(each)))
                                       for each in length.metrics]
    if baseline:
        columns.insert(1, (f"of {baseline.row.name}", lambda row: ratio(row, baseline, at_end)))
    if length.along:
        columns.append((f"{metric}, equal time", mean))
        if baseline:
            columns.append((f"of {baseline.row.name}, equal time", lambda row: ratio(row, baseline, at_equal_time)))
    return [*columns, ("minutes", lambda row: figure(minutes(row))),
            ("seeds", lambda row: str(len(row.completed)) if row.runs else NOTHING)]


def ratio(row: Repeated, baseline: Repeated, value: Reader) -> str:
    """Returns the geometric mean of a row's values divided by those of the baseline with the same seeds, and its 95 %
    interval; nothing for the baseline itself, and where no seed has both."""
    if row is baseline:
        return NOTHING
    logarithms = [math.log(one / other) for run in row.completed if (with_it := baseline.runs.get(run.seed)) is not None
                  and (one := value(run, row) or 0) > 0 and (other := value(with_it, baseline) or 0) > 0]
    if not logarithms:
        return NOTHING
    summary = summarise(logarithms)
    return estimate(math.exp(summary.mean), tuple(map(math.exp, summary.interval)) if summary.interval else None)


def _value(summary: Summary | None) -> str:
    return estimate(summary.mean, summary.interval) if summary else NOTHING


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
