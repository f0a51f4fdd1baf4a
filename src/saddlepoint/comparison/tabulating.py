"""From runs to their table."""

from collections.abc import Sequence
from dataclasses import replace

from saddlepoint.comparison import statistics
from saddlepoint.comparison.baseline import difference, find
from saddlepoint.comparison.columns import Column, Measured, columns
from saddlepoint.comparison.published import Published
from saddlepoint.comparison.rows import differences, rows
from saddlepoint.comparison.selection import selected
from saddlepoint.comparison.table import Cell, Question, Row, Table
from saddlepoint.metrics.comparable import greater_is_better
from saddlepoint.runs.record import Run


def tabulate(runs: Sequence[Run], question: Question, published: Sequence[Published] = ()) -> Table:
    groups = rows(runs)
    differing = differences([group[0] for group in groups])
    found = columns(selected(runs, question), question.across)
    cells = [_ranked(column, [_cell(group, column, published) for group in groups]) for column in found]
    made = [Row(number, settings, tuple(group), tuple(column[number - 1] for column in cells))
            for number, (group, settings) in enumerate(zip(groups, differing.values, strict=True), 1)]
    baseline = find(question.baseline, made, differing.settings)
    compared = [replace(row, cells=tuple(map(difference, row.cells, baseline.cells))) for row in made
                ] if baseline else made
    return Table(question, differing, tuple(found), tuple(compared), baseline)


def direction(column: Column) -> bool | None:
    """Is more of it better? None: neither, or nobody knows."""
    return greater_is_better(column.metric, str(column.protocol.get("extractor", "")))


def _cell(group: Sequence[Run], column: Column, published: Sequence[Published]) -> Cell | None:
    first: dict[int, Measured] = {}  # a run may have been measured twice alike, with other latents: in training counts
    for each in column.values:
        first.setdefault(id(each.run), each)
    values = tuple(first[id(run)] for run in group if id(run) in first)
    if not values:
        return None
    known = [each for each in published if each.metric == column.metric and each.is_about(group[0])]
    nearest = min(known, key=lambda each: len(each.unlike(column.protocol)), default=None)
    return Cell(values, statistics.summary([each.score.value for each in values]), nearest)


def _ranked(column: Column, cells: Sequence[Cell | None]) -> list[Cell | None]:
    greater, means = direction(column), [cell.summary.mean for cell in cells if cell]
    if greater is None or len(means) < 2:
        return [*cells]
    order = sorted(means, reverse=greater)
    return [cell and replace(cell, rank=order.index(cell.summary.mean) + 1) for cell in cells]
