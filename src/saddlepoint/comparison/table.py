"""A table of runs: recipes down, metrics across, seeds summarised, each cell comparable with those above and below."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from saddlepoint.comparison.columns import Column, Measured
from saddlepoint.comparison.published import Published
from saddlepoint.comparison.rows import Differences
from saddlepoint.comparison.statistics import Difference, Summary
from saddlepoint.runs.record import Run


@dataclass(frozen=True)
class Question:
    """What was asked for: conf/compare.yaml explains each."""

    value: str | int = "last"
    metric: Sequence[str] | None = None
    baseline: str | None = None
    across: Sequence[str] = ()
    evaluations: bool = True


@dataclass(frozen=True)
class Cell:
    """A row's values of a column."""

    values: tuple[Measured, ...]  # one of each seed that has one
    summary: Summary
    published: Published | None = None
    rank: int | None = None  # 1: the best mean of the column; None: one row only, or no better and worse
    difference: Difference | None = None  # to the baseline's cell


@dataclass(frozen=True)
class Row:
    number: int  # from 1
    settings: tuple[str, ...]  # those that differ, as typed
    runs: tuple[Run, ...]
    cells: tuple[Cell | None, ...]  # of each column; None: no run has a value there

    @property
    def states(self) -> dict[str, int]:
        """Completed first: {"completed": 2, "diverged": 1}"""
        counts = Counter(run.state for run in self.runs)
        return {"completed": counts.pop("completed", 0), **dict(sorted(counts.items()))}


@dataclass(frozen=True)
class Table:
    question: Question
    differences: Differences
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    baseline: Row | None
