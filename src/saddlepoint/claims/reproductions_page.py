"""Writes docs/reproductions.md: published tables beside what their runs came to here."""

from collections.abc import Mapping, Sequence

from saddlepoint.claims.repeated_rows import Pair, Repeated, order, repeated, verdict, weights, without_value
from saddlepoint.claims.reproduction import Length, Reproduction
from saddlepoint.claims.results import Result
from saddlepoint.claims.texts import commands, duration, estimate, failures, figure, made_on, span, table, total_minutes
from saddlepoint.comparison.layout import NOTHING
from saddlepoint.comparison.published import described
from saddlepoint.comparison.published_tables import FAILS
from saddlepoint.comparison.report.rows import plural
from saddlepoint.comparison.statistics import Summary

HEAD = """# Published tables, repeated here

`python -m saddlepoint.commands.claims` has written this page (of an installation: `saddlepoint-claims`) from
[reproductions/](../reproductions/{first}.yaml), the papers' values in `conf/published.yaml`, and
[results.jsonl](../claims/results.jsonl), which has a line for every run that counts.
[Comparing runs](comparing.md#published-tables) says how to add a table.

- The paper's values are mean ± standard error [95 % interval of the mean, Student's t]; ours are the mean over seeds
  with its interval.
- **agrees** and **differs**: Welch's t test at 5 %, of runs of the paper's length alone. Where many values are tested,
  one in twenty differs by chance.
- One seed has no interval. It is compared with the range in which one more run of the paper's would lie (95 %
  prediction interval).
- **direction only**: shorter runs than the paper's. No value is compared, only which row is the better one.
- Seeds are the runs that have a value; why others have none stands below the table.
- The floor is what as many samples score that are drawn from the real ones with which the run was compared: a value on
  its better side is no better than that.
"""


def reproductions_page(reproductions: Sequence[Reproduction], results: Sequence[Result]) -> str:
    """Returns the page's Markdown; the same results give the same text."""
    sections = [_section(each, results) for each in reproductions]
    return "\n\n".join([HEAD.format(first=reproductions[0].name).rstrip("\n"), *sections]) + "\n"


def _section(reproduction: Reproduction, results: Sequence[Result]) -> str:
    source = reproduction.table.source if reproduction.table else "No paper reports these values"
    parts = [f"## {reproduction.title}",
             f"{source}. [reproductions/{reproduction.name}.yaml](../reproductions/{reproduction.name}.yaml)."]
    for length in reproduction.lengths:
        parts += _length(reproduction, length, repeated(length, results))
    return "\n\n".join([*parts, *filter(None, [reproduction.discussion])])


def _length(reproduction: Reproduction, length: Length, rows: Sequence[Repeated]) -> list[str]:
    name = f"{reproduction.name}/{length.name}"
    title = f"### {length.title}"
    there = [run for row in rows for run in row.completed]
    words = f"{length.steps:,} updates of D{', direction only' * length.direction_only}."
    lines = commands((row.row.name, row.row.words) for row in rows)
    if not any(row.runs for row in rows):
        return [title, f"{words} Not run here; `only=[{name}]` would make these runs:", lines]
    took = f"{plural(len(there), 'run')}, {duration(total_minutes(there))}: {made_on(there)}." if there else ""
    body = [metric for each in length.metrics if (metric := _metric(reproduction, length, rows, each))]
    header = ("metric", "row", "paper", "ours [95 %]", "seeds", "floor", "verdict")
    without = without_value(rows, length.metrics)
    return [title, f"{words} {took}".rstrip(), table(header, [line for each in body for line in each], words=7),
            *weights(length, rows), *filter(None, [" ".join(map(_pair, order(reproduction, rows))),
                           "Without a value: " + " ".join(failures(without)) if without else ""]),
            "One run of each row, seed 0:", lines]


def _metric(reproduction: Reproduction, length: Length, rows: Sequence[Repeated], metric: str) -> list[list[str]]:
    return [[metric, row.row.name, _published(reproduction, row, metric), _ours(row.summary(metric)),
             str(len(row.values(metric))) if row.runs else NOTHING, figure(row.floor(metric)),
             verdict(reproduction, length, row, metric) or NOTHING] for row in rows]


def _published(reproduction: Reproduction, row: Repeated, metric: str) -> str:
    values: Mapping[str, Summary | None] = (
        reproduction.table.rows[row.row.name].values if reproduction.table else {})
    if metric not in values:
        return NOTHING
    return described(values[metric]) if values[metric] else FAILS


def _ours(summary: Summary | None) -> str:
    return estimate(summary.mean, summary.interval) if summary else NOTHING


def _pair(pair: Pair) -> str:
    """Returns a sentence on whether two rows are in the paper's order here."""
    order_of = "as in the paper" if pair.as_published else "**unlike in the paper**"
    if not pair.difference:
        order_of = "alike, where the paper has the first ahead"
    interval = ""
    if not pair.interval:
        interval = ", of too few seeds to be tested"
    else:
        low, high = pair.interval
        interval = f", 95 % {span(pair.interval)}"
        if low <= 0 <= high:
            order_of = "**not told apart**, where the paper has the first ahead"
    return f"{pair.better} against {pair.worse}: {order_of} (difference {figure(pair.difference)}{interval})."
