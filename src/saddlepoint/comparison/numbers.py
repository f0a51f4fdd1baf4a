"""Writes a table as CSV for other programs: a line for each row, numbers unrounded, empty where there is none."""

import csv
import io
from collections.abc import Callable, Iterable
from statistics import mean
from typing import Any

from saddlepoint.comparison.table import Cell, Row, Table


def as_csv(table: Table) -> str:
    """Returns the table as CSV with a header. Columns of a metric are called e.g. `fid_digits.mean`."""
    lines = [_line(table, row) for row in table.rows]
    file = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(file, sorted(names, key=_order_of_names(table)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def _order_of_names(table: Table) -> Callable[[str], int]:
    """Returns a sort key for the names in the header: the names that describe a row first, then those of each metric in
    the table's order. A row may lack some of them, so their first appearance is no order."""
    titles = [column.title for column in table.columns]
    return lambda name: titles.index(name.rpartition(".")[0]) + 1 if name.rpartition(".")[0] in titles else 0


def _line(table: Table, row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {"row": row.number, **dict(zip(table.differences.settings, row.settings, strict=True))}
    line |= {"runs": len(row.runs), "seeds": " ".join(str(run.seed) for run in row.runs)}
    line |= row.states
    completed = [run for run in row.runs if run.state == "completed"]
    line |= {"images_seen": _mean(run.images_seen for run in completed),
             "seconds": _mean(run.cost.seconds for run in completed),
             "images_per_second": _mean(run.cost.images_per_second for run in completed),
             "peak_host_memory_bytes": _mean(run.cost.peak_host_memory_bytes for run in completed),
             "peak_device_memory_bytes": _mean(run.cost.peak_device_memory_bytes for run in completed)}
    counts = next((run.cost.parameters for run in row.runs if run.cost.parameters), {})
    line |= {f"parameters.{network}": count for network, count in counts.items()}
    for column, cell in zip(table.columns, row.cells, strict=True):
        line |= {f"{column.title}.{name}": value for name, value in (_cell(cell) if cell else {}).items()}
    return line


def _cell(cell: Cell) -> dict[str, Any]:
    summary = cell.summary
    low, high = summary.interval or (None, None)
    numbers = {"mean": summary.mean, "deviation": summary.deviation, "low": low, "high": high, "seeds": summary.count,
               "values": " ".join(repr(each.score.value) for each in cell.values), "rank": cell.rank}
    if cell.difference:
        numbers |= {"difference": cell.difference.mean, "p": cell.difference.p,
                    "smallest_p": cell.difference.smallest_p, "paired": cell.difference.paired}
    if cell.published:
        numbers |= {"published": cell.published.value, "tolerance": cell.published.tolerance,
                    "verdict": cell.published.verdict(summary.mean, cell.values[0].score.protocol),
                    "source": cell.published.source}
    return numbers


def _mean(values: Iterable[float | None]) -> float | None:
    recorded = [value for value in values if value is not None]
    return mean(recorded) if recorded else None
