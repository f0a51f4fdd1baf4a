"""Prepares the page's section of results: a table that can be sorted and filtered, with an interval for each mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from saddlepoint.comparison.layout import NOTHING, decimals_in, sheet
from saddlepoint.comparison.report.rows import DIRECTIONS, PageRow, place, plural, rounded
from saddlepoint.comparison.report.run_details import Protocols
from saddlepoint.comparison.table import Cell, Row, Table
from saddlepoint.comparison.tabulating import direction
from saddlepoint.runs.record import Run

MOST_CHOICES = 12  # values that a setting may have to get a menu of its own


@dataclass(frozen=True)
class Number:
    """A cell of the table: its text, the number that its column is sorted by, and the small print beneath."""

    text: str
    sorted_by: float | None
    beneath: Sequence[str] = ()
    best: bool = False   # the best mean of its column
    score: bool = False  # of a metric


@dataclass(frozen=True)
class ResultRow:
    """A line of the table."""

    row: PageRow
    link: str  # to the first of its runs
    is_baseline: bool
    numbers: Sequence[Number]  # seeds, scores, costs
    searchable: str            # the words by which the row is found


@dataclass(frozen=True)
class Metric:
    """The title of a column of scores."""

    title: str
    direction: str
    protocol: int  # number of the protocol of its first value


@dataclass(frozen=True)
class Results:
    """The table, and the menus above it."""

    settings: Sequence[str]
    metrics: Sequence[Metric]
    rows: Sequence[ResultRow]
    menus: Sequence[tuple[str, Sequence[str]]]  # a setting with few values, and these: rows are filtered by it


def results(rows: Sequence[PageRow], table: Table, protocols: Protocols) -> Results:
    metrics = [Metric(column.title, DIRECTIONS[direction(column)], protocols.number(column.values[0].score))
               for column in table.columns]
    texts = sheet(table)  # of which seeds, images seen, time and parameters are taken
    words = [[line[column].words for column in range(texts.fixed - 1, texts.fixed + 3)] for line in texts.body]
    values = {name: sorted({row.settings[name] for row in rows}) for name in table.differences.settings}
    menus = [(name, several) for name, several in values.items() if 1 < len(several) <= MOST_CHOICES]
    return Results(table.differences.settings, metrics,
                   [result_row(*each, table) for each in zip(rows, table.rows, words, strict=True)], menus)


def result_row(page_row: PageRow, row: Row, words: Sequence[str], table: Table) -> ResultRow:
    """Returns a row of the table. `words`: the texts of its seeds, images seen, time and parameters."""
    first, _, failed = words[0].partition(", ")  # `2 of 3, 1 diverged`
    seeds = Number(first, row.states["completed"], [failed] if failed else [])
    scores = [score(table, row, index) for index in range(len(row.cells))]
    costs = [Number(text, value) for text, value in zip(words[1:], sorting_costs(row.runs), strict=True)]
    searchable = " ".join([f"#{row.number}", page_row.label, *(run.name for run in row.runs), *row.states])
    return ResultRow(page_row, place(page_row, row.runs[0]), row is table.baseline, [seeds, *scores, *costs],
                     searchable)


def sorting_costs(runs: Sequence[Run]) -> list[float | None]:
    """Returns images seen, mean seconds and parameters of a row's runs, the numbers that rows are sorted by."""
    seconds = [run.cost.seconds for run in runs if run.cost.seconds is not None]
    return [max((run.images_seen for run in runs if run.images_seen is not None), default=None),
            fmean(seconds) if seconds else None,
            max((sum(run.cost.parameters.values()) for run in runs), default=None)]


def score(table: Table, row: Row, index: int) -> Number:
    """Returns a cell with mean and deviation; beneath are interval, seeds if some lack a value, difference and
    published score."""
    cell = row.cells[index]
    if cell is None:
        return Number(NOTHING, None, score=True)
    mean, deviation, interval = cell.summary.mean, cell.summary.deviation, cell.summary.interval
    digits = decimals_in(table, index, cell)
    text = rounded(mean) if deviation is None else f"{mean:,.{digits}f} ± {deviation:,.{digits}f}"
    beneath = [f"{interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}" if interval else "",
               plural(cell.summary.count, "seed") if cell.summary.count != row.states["completed"] else "",
               difference_text(cell, digits), published_text(cell)]
    return Number(text, mean, [*filter(None, beneath)], cell.rank == 1, score=True)


def difference_text(cell: Cell, digits: int) -> str:
    difference = cell.difference
    return f"Δ {difference.mean:+,.{digits}f}, p {difference.p:.2g}" if difference else ""


def published_text(cell: Cell) -> str:
    return f"published {cell.published.words}: {cell.verdict}" if cell.published else ""
