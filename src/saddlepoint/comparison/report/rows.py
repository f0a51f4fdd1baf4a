"""Holds what the sections of the page share: the rows of the table, and words for them."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from saddlepoint.comparison.layout import NOTHING
from saddlepoint.comparison.table import Row, Table
from saddlepoint.runs.record import Run

DIRECTIONS = {True: "higher is better", False: "lower is better", None: "neither is better"}


@dataclass(frozen=True)
class PageRow:
    """A recipe with its seeds: a row of the table, a line in the charts."""

    number: int                  # from 1, in the table's order; the page calls the row by it
    settings: Mapping[str, str]  # those in which rows differ, as typed
    runs: Sequence[Run]
    unlike: Set[str] = frozenset()  # settings whose value differs from the baseline's, or from row 1's without one

    @property
    def label(self) -> str:
        return self.settings_as_typed(self.settings) or "all runs"

    def settings_as_typed(self, names: Iterable[str]) -> str:
        """Returns those of these settings that the row has; an empty text if it has none."""
        return ", ".join(f"{name}={self.settings[name]}" for name in names if self.settings[name] != NOTHING)


def page_rows(table: Table) -> list[PageRow]:
    reference = table.baseline or (table.rows[0] if table.rows else None)
    return [page_row(table.differences.settings, row, reference) for row in table.rows]


def page_row(names: Sequence[str], row: Row, reference: Row) -> PageRow:
    values = zip(names, row.settings, reference.settings, strict=True)
    return PageRow(row.number, dict(zip(names, row.settings, strict=True)), row.runs,
                   {name for name, value, reference_value in values if value != reference_value})


def telling_apart(rows: Sequence[PageRow]) -> list[str]:
    """Returns the settings in which some rows of the page differ from each other; all of them for a single row."""
    names = list(rows[0].settings) if rows else []
    return [name for name in names if len({row.settings[name] for row in rows}) > 1] or names


def seed(run: Run) -> str:
    return f"seed {run.seed}" if run.seed is not None else "no seed"


def place(row: PageRow, run: Run) -> str:
    """Returns the id that links to a run lead to."""
    return f"run-{row.number}-{row.runs.index(run) + 1}"


def plural(count: int, thing: str) -> str:
    """Returns a number with what it counts: `1 run`, `2 runs`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def rounded(value: float) -> str:
    """Returns a number with four significant digits: 12345.6 -> 12,350."""
    return f"{float(f'{value:.4g}'):,.10g}"
