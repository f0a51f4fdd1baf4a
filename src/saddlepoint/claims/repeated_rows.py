"""Sets what the runs of a reproduction came to beside what its paper reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from saddlepoint.claims.entries import OWN_CLASSIFIER, is_greater_better
from saddlepoint.claims.reproduction import Length, Reproduction, RowOfRuns
from saddlepoint.claims.results import COMPLETED, Result, code_refusal, first_of_each_seed
from saddlepoint.claims.typed_words import of_recipe
from saddlepoint.comparison.published import agreement
from saddlepoint.comparison.statistics import Summary, difference_of_means, summarise

NOT_RUN, DIRECTION_ONLY, FAILED_THERE = "not run here", "direction only", "fails in the paper"


@dataclass(frozen=True)
class Repeated:
    """A row with its runs."""

    row: RowOfRuns
    runs: Mapping[int, Result]  # by seed; those that did not complete as well

    @property
    def completed(self) -> list[Result]:
        return [run for _, run in sorted(self.runs.items()) if run.state == COMPLETED]

    def values(self, metric: str) -> list[float]:
        """Returns the values of a metric of those runs that have one."""
        return [run.values[metric] for run in self.completed if metric in run.values]

    def summary(self, metric: str) -> Summary | None:
        """Returns mean and interval of a metric; None if no run has it."""
        values = self.values(metric)
        return summarise(values) if values else None

    def floor(self, metric: str) -> float | None:
        """Returns what a perfect generator scores; None where the metric does not tell."""
        floors = [run.floors[metric] for run in self.completed if metric in run.floors]
        return sum(floors) / len(floors) if floors else None


@dataclass(frozen=True)
class Pair:
    """Two rows of which the paper says which is better."""

    better: str
    worse: str
    difference: float  # ours, of the better's mean and the worse's
    interval: tuple[float, float] | None  # 95 %, Welch's; None with a single seed
    as_published: bool


def repeated(length: Length, results: Sequence[Result]) -> list[Repeated]:
    """Returns the rows of a length with those of the results that have their recipe and one of their seeds, and that
    can be made again."""
    rows = []
    for row in length.rows:
        same = [each for each in results if of_recipe(each.words) == of_recipe(row.words) and each.seed < row.seeds
                and not code_refusal(each, installed=True)]
        rows.append(Repeated(row, first_of_each_seed(same)))
    return rows


def without_value(rows: Sequence[Repeated], metrics: Sequence[str]) -> dict[tuple[str, int], str]:
    """Returns row and seed -> why the run has no value, or lacks that of some metrics, whose means are then those of
    the other runs, which may be the better ones."""
    reasons = {}
    for row in rows:
        for seed, run in sorted(row.runs.items()):
            lacking = [run.lacking.get(metric, f"{metric} was not measured") for metric in metrics
                       if metric not in run.values]
            if run.state != COMPLETED:
                reasons[row.row.name, seed] = f"{run.state}: {run.reason}"
            elif lacking:
                reasons[row.row.name, seed] = "; ".join(lacking)
    return reasons


def weights(length: Length, rows: Sequence[Repeated]) -> list[str]:
    """Returns sentences on the weights with which values were measured: which, where they are those of a classifier of
    one's own, as its file may be another one elsewhere; and which rows have which, where they differ. Runs that have
    not recorded them are left out."""
    metrics: dict[tuple, list[str]] = {}  # (SHA-256, rows), ... -> metrics
    for metric in length.metrics:
        rows_of: dict[str, dict[str, None]] = {}  # SHA-256 -> rows, in order
        for row in rows:
            for run in row.completed:
                if metric in run.values and metric in run.weights:
                    rows_of.setdefault(run.weights[metric], {})[row.row.name] = None
        metrics.setdefault(tuple((digest, tuple(names)) for digest, names in rows_of.items()), []).append(metric)
    sentences = []
    for groups, measured in metrics.items():
        there = f"weights of {' and '.join(measured)}"
        if len(groups) > 1:
            listed = "; ".join(f"SHA-256 {digest} of {', '.join(names)}" for digest, names in groups)
            sentences.append(f"**Not comparable**, as the {there} differ: {listed}.")
        elif groups and any(OWN_CLASSIFIER in row.row.words for row in rows):
            sentences.append(f"The {there}: SHA-256 {groups[0][0]}.")
    return sentences


def verdict(reproduction: Reproduction, length: Length, row: Repeated, metric: str) -> str:
    """Returns what a row's runs say about a published value; an empty text where nothing is published."""
    ours = row.summary(metric)
    if ours is None:
        return NOT_RUN if not row.runs else "no run has a value"
    values = reproduction.table.rows[row.row.name].values if reproduction.table else {}
    if length.direction_only:
        return DIRECTION_ONLY if reproduction.table else ""
    if metric not in values:
        return ""
    return agreement(ours, values[metric]) if values[metric] else FAILED_THERE


def order(reproduction: Reproduction, rows: Sequence[Repeated]) -> list[Pair]:
    """Returns the rows that follow each other in the paper's order and have runs here, the better first, by the metric
    that the reproduction is ordered by. A row that fails in the paper is the worst; rows alike there are in no
    order, and each is compared with each of those that follow."""
    if not reproduction.table:
        return []
    metric = reproduction.ordered_by
    sign = -1.0 if is_greater_better(metric) is False else 1.0
    there = {row.row.name: (sign * published.mean if published else float("-inf"))
             for row in rows if metric in (values := reproduction.table.rows[row.row.name].values)
             for published in [values[metric]]}
    ours = {row.row.name: row.summary(metric) for row in rows}
    known = sorted((name for name in there if ours[name]), key=lambda name: -there[name])
    alike = [[*names] for _, names in groupby(known, key=there.get)]
    return [_pair(better, worse, ours, sign) for upper, lower in pairwise(alike) for better in upper for worse in lower]


def _pair(better: str, worse: str, ours: Mapping[str, Summary], sign: float) -> Pair:
    one, other = ours[better], ours[worse]
    several = one.count > 1 and other.count > 1
    return Pair(better, worse, one.mean - other.mean, difference_of_means(one, other) if several else None,
                sign * (one.mean - other.mean) > 0)
