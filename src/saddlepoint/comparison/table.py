"""Holds a table of runs: a row for each recipe, a column for each metric and protocol, each cell a summary over
seeds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from saddlepoint.comparison.columns import Column, Measurement
from saddlepoint.comparison.published import Published
from saddlepoint.comparison.rows import Differences
from saddlepoint.comparison.statistics import Difference, Summary
from saddlepoint.runs.record import Run


@dataclass(frozen=True)
class Question:
    """A question about runs, as the user asks it; conf/compare.yaml explains each field."""

    value: str | int = "last"
    metric: Sequence[str] | None = None
    baseline: str | None = None
    across: Sequence[str] = ()
    evaluations: bool = True


@dataclass(frozen=True)
class Cell:
    """The values of one row in one column."""

    values: tuple[Measurement, ...]  # one for each seed that has a value
    summary: Summary
    published: Published | None = None
    rank: int | None = None  # 1: the best mean of the column; None: one row only, or neither direction is better
    difference: Difference | None = None  # to the baseline's cell

    @property
    def verdict(self) -> str:
        """Returns whether the cell agrees with the published value, which it must have."""
        first = self.values[0]
        return self.published.verdict(self.summary, first.score.protocol, first.images)


@dataclass(frozen=True)
class Row:
    """One recipe with all its seeds."""

    number: int  # from 1
    settings: tuple[str, ...]  # those that differ, as typed
    runs: tuple[Run, ...]
    cells: tuple[Cell | None, ...]  # of each column; None: no run has a value there

    @property
    def states(self) -> dict[str, int]:
        """Returns how many runs ended in which state, completed ones first: {"completed": 2, "diverged": 1}."""
        counts = Counter(run.state for run in self.runs)
        return {"completed": counts.pop("completed", 0), **dict(sorted(counts.items()))}


@dataclass(frozen=True)
class Table:
    """All rows and columns, with the question that they answer."""

    question: Question
    differences: Differences
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    baseline: Row | None
