"""Turns a table of numbers into a sheet of texts: a header, rows, and a mark on the best mean of each column."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from statistics import median

from saddlepoint.comparison.statistics import Summary
from saddlepoint.comparison.table import Cell, Row, Table
from saddlepoint.comparison.tabulating import direction
from saddlepoint.runs.record import Run

NOTHING = "–"  # stands where there is no value
ARROWS = {True: " ↑", False: " ↓", None: ""}


@dataclass(frozen=True)
class Text:
    """The text of one cell."""

    words: str
    best: bool = False  # the best mean of its column
    number: bool = True  # set flush right
    companion: bool = False  # of a title: its column belongs to the one before


@dataclass(frozen=True)
class Sheet:
    """A table as texts, before it has a format."""

    header: tuple[Text, ...]
    body: tuple[tuple[Text, ...], ...]
    fixed: int  # so many of the first columns identify a row


def sheet(table: Table) -> Sheet:
    """Returns the table's sheet: what identifies a row, its costs, then each column of scores."""
    titles = [Text("row"), *(Text(name, number=False) for name in table.differences.settings),
              Text("seeds", number=False), Text("images seen"), Text("time"), Text("parameters")]
    fixed = 1 + len(table.differences.settings) + 1
    for place, column in enumerate(table.columns):
        title = column.title + ARROWS[direction(column)]
        titles.append(Text(title))
        titles += [Text(f"published {title}" if each == "published" else each, companion=True)
                   for each in _companion_titles(table, place)]
    return Sheet(tuple(titles), tuple(_line(table, row) for row in table.rows), fixed)


def _line(table: Table, row: Row) -> tuple[Text, ...]:
    completed = [run for run in row.runs if run.state == "completed"] or row.runs
    line = [Text(str(row.number)), *(Text(value, number=False) for value in row.settings),
            Text(seeds(row), number=False), Text(_images(completed)), Text(_time(completed)),
            Text(_parameters(row.runs))]
    for place, cell in enumerate(row.cells):
        places = decimals_in(table, place, cell)
        line.append(Text(_value(cell, row, places), best=bool(cell) and cell.rank == 1))
        companions = {"published": _published_text(cell), "Δ": _delta(cell, places), "p": _p(cell)}
        line += [Text(companions[title]) for title in _companion_titles(table, place)]
    return tuple(line)


def _companion_titles(table: Table, place: int) -> list[str]:
    """Returns the titles of the further columns that stand beside a column of scores, if any row has a value there."""
    cells = [row.cells[place] for row in table.rows if row.cells[place]]
    return [*(["published"] if any(cell.published for cell in cells) else []),
            *(["Δ", "p"] if any(cell.difference for cell in cells) else [])]


def seeds(row: Row) -> str:
    """Returns how many seeds a row has: `3`, or `2 of 3, 1 diverged` where not all runs are completed."""
    others = [f"{count} {state}" for state, count in row.states.items() if state != "completed"]
    return ", ".join([f"{row.states['completed']} of {len(row.runs)}", *others]) if others else str(len(row.runs))


def _value(cell: Cell | None, row: Row, places: int) -> str:
    if cell is None:
        return NOTHING
    fewer = f" n={cell.summary.count}" if cell.summary.count != row.states["completed"] else ""
    return figures(cell.summary, places) + fewer


def figures(summary: Summary, places: int) -> str:
    """Returns mean, standard deviation and interval, e.g. `12.1 (3.2) [4.0, 20.1]`; for one seed its value, `12.07`."""
    if summary.deviation is None:
        return f"{summary.mean:.4g}"
    low, high = summary.interval
    return f"{summary.mean:.{places}f} ({summary.deviation:.{places}f}) [{low:.{places}f}, {high:.{places}f}]"


def decimals_in(table: Table, place: int, cell: Cell | None) -> int:
    """Returns the number of decimals to write a cell with.

    They show two digits of the column's median standard deviation, so that its numbers line up. Where the cell's own
    deviation is far smaller, there are more: enough for one digit of that.
    """
    cells = [row.cells[place] for row in table.rows]
    typical = median([each.summary.deviation for each in cells if each and each.summary.deviation] or [0.0])
    own = cell.summary.deviation if cell else None
    return max(decimals(typical), decimals(own) - 1) if own else decimals(typical)


def decimals(deviation: float) -> int:
    """Returns how many decimals show two significant digits of the deviation, from 0 to 6; 4 for a deviation of 0."""
    if not isfinite(deviation) or deviation <= 0:
        return 4
    return min(6, max(0, 1 - floor(log10(deviation))))


def _published_text(cell: Cell | None) -> str:
    if not cell or not cell.published:
        return NOTHING
    return f"{cell.published.words} ({cell.verdict})"


def _delta(cell: Cell | None, places: int) -> str:
    if not cell or not cell.difference:
        return NOTHING
    return f"{cell.difference.mean:+.{places}f}" if cell.summary.deviation else f"{cell.difference.mean:+.4g}"


def _p(cell: Cell | None) -> str:
    return f"{cell.difference.p:.2g}" if cell and cell.difference else NOTHING


def _images(runs: Sequence[Run]) -> str:
    seen = sorted(run.images_seen for run in runs if run.images_seen is not None)
    if not seen:
        return NOTHING
    return f"{seen[0]:,}" if seen[0] == seen[-1] else f"{seen[0]:,} to {seen[-1]:,}"


def _time(runs: Sequence[Run]) -> str:
    """Returns the mean time of the runs as hours:minutes:seconds."""
    times = [run.cost.seconds for run in runs if run.cost.seconds is not None]
    if not times:
        return NOTHING
    seconds = round(sum(times) / len(times))
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _parameters(runs: Sequence[Run]) -> str:
    """Returns the networks' numbers of parameters, generator + discriminator."""
    counts = next((run.cost.parameters for run in runs if run.cost.parameters), {})
    return " + ".join(f"{count:,}" for count in counts.values()) or NOTHING
