"""Makes a pandas DataFrame of a table, for notebooks and for CSV: numbers unrounded, missing where there is none."""

from collections.abc import Iterable, Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any

from saddlepoint.comparison.table import Cell, Row, Table

if TYPE_CHECKING:
    import pandas as pd

Value = str | float | None  # in a cell; whole numbers and booleans are floats to a type checker
LARGEST = 2**63  # whole numbers from here on do not fit into a column of whole numbers


def as_frame(table: Table, notes: Sequence[str] = ()) -> "pd.DataFrame":
    """Returns the table as a DataFrame with a line for each recipe, whose index is the row's number.

    Columns: the settings that differ; `runs` and `seeds`; of each score, say fid_digits, `fid_digits.mean`,
    `.deviation` (over seeds, of the sample), `.low` and `.high` (95 % interval of the mean), `.seeds` (how many),
    `.values` and `.rank`, and what belongs to a baseline or a published score; how many runs ended in which state; the
    means of their costs. `attrs["notes"]` has the sentences that are printed under the table.
    """
    import pandas as pd  # takes 0.4 seconds, for which a table on a terminal does not wait

    lines = [_line(table, row) for row in table.rows]
    index = pd.Index([row.number for row in table.rows], name="row")
    columns = {name: _column([line.get(name) for line in lines], index) for name in _names(table, lines)}
    columns |= {name: _as_numbers(columns[name]) for name in table.differences.settings}
    frame = pd.DataFrame(columns, index)
    frame.attrs["notes"] = [*notes]
    return frame


def _names(table: Table, lines: Iterable[dict[str, Value]]) -> list[str]:
    """Returns the names of all columns: what identifies a row, then each score in the table's order, then the rest. A
    line may lack some of them, so the order in which they first appear is not enough."""
    titles = [column.title for column in table.columns]
    leading = [*table.differences.settings, "runs", "seeds"]

    def place(name: str) -> int:
        title = name.rpartition(".")[0]
        return -1 if name in leading else titles.index(title) if title in titles else len(titles)

    return sorted(dict.fromkeys(name for line in lines for name in line), key=place)


def _line(table: Table, row: Row) -> dict[str, Value]:
    line: dict[str, Value] = {**dict(zip(table.differences.settings, row.settings, strict=True)),
                              "runs": len(row.runs), "seeds": " ".join(str(run.seed) for run in row.runs)}
    for column, cell in zip(table.columns, row.cells, strict=True):
        line |= {f"{column.title}.{name}": value for name, value in (_score(cell) if cell else {}).items()}
    line |= row.states
    completed = [run for run in row.runs if run.state == "completed"]
    line |= {"images_seen": _mean(run.images_seen for run in completed),
             "seconds": _mean(run.cost.seconds for run in completed),
             "images_per_second": _mean(run.cost.images_per_second for run in completed),
             "peak_host_memory_bytes": _mean(run.cost.peak_host_memory_bytes for run in completed),
             "peak_device_memory_bytes": _mean(run.cost.peak_device_memory_bytes for run in completed)}
    counts = next((run.cost.parameters for run in row.runs if run.cost.parameters), {})
    return line | {f"parameters.{network}": count for network, count in counts.items()}


def _score(cell: Cell) -> dict[str, Value]:
    summary = cell.summary
    low, high = summary.interval or (None, None)
    numbers = {"mean": summary.mean, "deviation": summary.deviation, "low": low, "high": high, "seeds": summary.count,
               "values": " ".join(repr(each.score.value) for each in cell.values), "rank": cell.rank}
    if cell.difference:
        numbers |= {"difference": cell.difference.mean, "p": cell.difference.p,
                    "smallest_p": cell.difference.smallest_p, "paired": cell.difference.paired}
    if cell.published:
        known = cell.published
        low, high = known.summary.interval if known.summary and known.summary.interval else (None, None)
        numbers |= {"published": known.value, "published_low": low, "published_high": high,
                    "tolerance": known.tolerance, "verdict": cell.verdict, "source": known.source}
    return numbers


def _column(values: Sequence[Value], index: "pd.Index") -> "pd.Series[Any]":
    """Returns the values as a column. Whole numbers stay whole beside missing ones, as pandas by itself would not."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and not any(isinstance(value, int) and abs(value) >= LARGEST for value in values):
        return pd.Series(values, index, "Int64" if kinds == {int} else "float64")
    return pd.Series(values, index, "boolean" if kinds == {bool} else None)


def _as_numbers(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Returns a setting's column as numbers where every row's value is one, so that it can be an axis of a chart."""
    import pandas as pd

    try:
        return pd.to_numeric(column)
    except ValueError:
        return column


def _mean(values: Iterable[float | None]) -> float | None:
    recorded = [value for value in values if value is not None]
    return mean(recorded) if recorded else None
