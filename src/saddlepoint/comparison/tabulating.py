"""Puts runs into a table: recipes as rows, protocols as columns."""

from collections.abc import Sequence
from dataclasses import replace

from saddlepoint.comparison import statistics
from saddlepoint.comparison.baseline import find_baseline, with_difference
from saddlepoint.comparison.columns import Column, Measurement, group_into_columns
from saddlepoint.comparison.published import Published
from saddlepoint.comparison.rows import find_differences, group_by_recipe, representative
from saddlepoint.comparison.selection import select_measurements
from saddlepoint.comparison.table import Cell, Question, Row, Table
from saddlepoint.metrics.comparable import greater_is_better
from saddlepoint.runs.record import Run


def tabulate(runs: Sequence[Run], question: Question, published: Sequence[Published] = ()) -> Table:
    """Returns the table that answers a question about runs. Raises a RequestError for what no run or row has."""
    groups = group_by_recipe(runs)
    differences = find_differences([*map(representative, groups)])
    columns = group_into_columns(select_measurements(runs, question), question.across)
    cells = [_with_ranks(column, [_cell(group, column, published) for group in groups]) for column in columns]
    rows = [Row(number, settings, tuple(group), tuple(column[number - 1] for column in cells))
            for number, (group, settings) in enumerate(zip(groups, differences.values, strict=True), 1)]
    baseline = find_baseline(question.baseline, rows, differences.settings)
    if baseline:
        rows = [replace(row, cells=tuple(map(with_difference, row.cells, baseline.cells))) for row in rows]
    return Table(question, differences, tuple(columns), tuple(rows), baseline)


def direction(column: Column) -> bool | None:
    """Returns whether a greater value is better; None if neither is, or it is not known."""
    return greater_is_better(column.metric, str(column.protocol.get("extractor", "")))


def _cell(group: Sequence[Run], column: Column, published: Sequence[Published]) -> Cell | None:
    # A run may have two values of one protocol, of different latents. That measured in training comes first and counts.
    first: dict[int, Measurement] = {}
    for each in column.values:
        first.setdefault(id(each.run), each)
    values = tuple(first[id(run)] for run in group if id(run) in first)
    if not values:
        return None
    entries = [each for each in published if each.metric == column.metric and each.is_about(group[0])]
    nearest = min(entries, key=lambda entry: len(entry.differing_fields(column.protocol)), default=None)
    return Cell(values, statistics.summarise([each.score.value for each in values]), nearest)


def _with_ranks(column: Column, cells: Sequence[Cell | None]) -> list[Cell | None]:
    greater, means = direction(column), [cell.summary.mean for cell in cells if cell]
    if greater is None or len(means) < 2:
        return [*cells]
    order = sorted(means, reverse=greater)
    return [cell and replace(cell, rank=order.index(cell.summary.mean) + 1) for cell in cells]
