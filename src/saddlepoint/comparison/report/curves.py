"""Prepares the page's charts: one of all rows for each score, and small ones of each row's losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from saddlepoint.comparison.columns import Column, Measurement, describe_difference, group_into_columns
from saddlepoint.comparison.report.charts import Chart, Line
from saddlepoint.comparison.report.rows import DIRECTIONS, PageRow, seed, telling_apart
from saddlepoint.comparison.report.run_details import Protocols
from saddlepoint.comparison.report.seed_bands import Curve, seed_band
from saddlepoint.comparison.tabulating import direction
from saddlepoint.comparison.values import curve
from saddlepoint.runs.record import Run

PANELS = {  # what a small chart shows -> column of metrics.csv -> name of its line
    "Losses": {"discriminator/total": "discriminator", "generator/total": "generator"},
    "Mean score of D": {"logits/real": "real images", "logits/fake": "fakes"},
}


@dataclass(frozen=True)
class ScoreChart:
    """A chart of one column of scores, a line for each row."""

    chart: Chart
    direction: str   # which values are better
    protocol: int    # number of the protocol of its values
    difference: str  # fields in which that differs from the metric's first chart; empty: in none


@dataclass(frozen=True)
class Panel:
    """The small charts of one row."""

    row: PageRow
    charts: Sequence[Chart]


def score_charts(rows: Sequence[PageRow], across: Sequence[str], protocols: Protocols) -> list[ScoreChart]:
    """Returns a chart for each metric and protocol that was measured during training. `across` names fields of the
    protocol that may differ within a chart."""
    columns = group_into_columns(
        (Measurement(run, score, None) for row in rows for run in row.runs for score in run.metrics), across)
    first = {column.metric: column for column in reversed(columns)}
    charts = [(column, score_chart(rows, column)) for column in columns]
    return [ScoreChart(chart, DIRECTIONS[direction(column)], protocols.number(column.values[0].score),
                       describe_difference(first[column.metric], column, across))
            for column, chart in charts if chart.lines]


def score_chart(rows: Sequence[PageRow], column: Column) -> Chart:
    scores = {each.run.path: each.score for each in column.values}
    curves = {row.number: [(run, curve(run, scores[run.path])) for run in row.runs if run.path in scores]
              for row in rows}
    shown = [row for row in rows if any(points for _, points in curves[row.number])]
    names = telling_apart(shown)  # a legend has little room
    lines = [each for row in shown
             for each in line(f"#{row.number} {row.settings_as_typed(names) or row.label}", row.number, row.number - 1,
                              curves[row.number])]
    return Chart(column.metric, lines, may_be_logarithmic=True)


def loss_panels(rows: Sequence[PageRow]) -> list[Panel]:
    """Returns a panel for each row that wrote losses."""
    panels = [Panel(row, [panel_chart(row, *names) for names in PANELS.items()]) for row in rows]
    panels = [replace(panel, charts=[chart for chart in panel.charts if chart.lines]) for panel in panels]
    return [panel for panel in panels if panel.charts]


def panel_chart(row: PageRow, quantity: str, names: Mapping[str, str]) -> Chart:
    """Returns a chart of some columns of a row's curves, see PANELS."""
    lines = []
    for style, (column, name) in enumerate(names.items()):
        lines += line(name, row.number, style, [(run, run.curve_points().get(column, [])) for run in row.runs])
    return Chart(quantity, lines, cuts_spikes=True)


def line(name: str, row: int, style: int, curves: Sequence[tuple[Run, Curve]]) -> list[Line]:
    """Returns the line of some runs' curves; none if no curve has a point."""
    curves = [(run, points) for run, points in curves if points]
    points = seed_band([each for _, each in curves])
    return [Line(name, source([run for run, _ in curves]), row, style, points)] if points else []


def source(runs: Sequence[Run]) -> str:
    """Returns in words which runs a line is the mean of."""
    if len(runs) == 1:
        return f"{seed(runs[0])}, {runs[0].name}"
    return f"mean of {len(runs)} runs, {', '.join(map(seed, runs))}"
