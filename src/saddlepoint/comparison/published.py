"""Reads the scores that papers report (conf/published.yaml). They are shown beside scores of the same metric, and
compared with them only if the protocols agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.comparison.columns import SAME_MOMENT, binding_fields
from saddlepoint.comparison.published_tables import PublishedTable, read_tables
from saddlepoint.comparison.statistics import Summary, difference_of_means, range_of_another
from saddlepoint.config.paths import at
from saddlepoint.errors import RequestError
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run

KEYS = {"where", "metric", "value", "tolerance", "protocol", "source"}
AGREES, DIFFERS = "agrees", "differs"
ONE_WITHIN = "one seed, within what a single run may show"
ONE_OUTSIDE = "one seed, outside what a single run may show"
NO_SPREAD = "not compared: no spread is told"


@dataclass(frozen=True)
class Published:
    """A score that a paper reports for a recipe."""

    where: Mapping[str, Any]  # choices or settings of a run -> the values they must have
    metric: str  # with its extractor, e.g. fid_inception
    value: float
    tolerance: float | None  # in the metric's unit: a mean that is no farther away agrees; None: `summary` decides
    protocol: Mapping[str, Any]  # as far as the source tells it; a value of another protocol is not compared
    source: str
    summary: Summary | None = None  # of a table of runs: their number, mean and interval
    images: int | None = None  # real images that the source's runs were shown; None: not told

    @property
    def words(self) -> str:
        """Returns the value, with standard error and 95 % interval where they are known: 6.3 ± 0.5 [5.2, 7.4]."""
        return described(self.summary) if self.summary else f"{self.value:g}"

    def is_about(self, run: Run) -> bool:
        return all(_choice_or_setting(run, name) == value for name, value in self.where.items())

    def differing_fields(self, protocol: Mapping[str, Any]) -> list[str]:
        """Returns the names of the fields in which the source's protocol differs from the given one."""
        return differing_fields(self.protocol, protocol)

    def verdict(self, ours: Summary, protocol: Mapping[str, Any], images: int | None = None) -> str:
        """Returns whether our values agree with the published one, or why the two are not compared.

        images: real images that our runs were shown, if it is known
        """
        fields = ["protocol" if name == "name" else name.replace("_", " ") for name in self.differing_fields(protocol)]
        if fields:
            return f"not compared: other {' and '.join(fields)}"
        if self.images and images is not None and images < self.images * (1 - SAME_MOMENT):
            return f"not compared: {images:,} of {self.images:,} images"
        if self.summary:
            return agreement(ours, self.summary)
        return "within tolerance" if abs(ours.mean - self.value) <= self.tolerance else "outside tolerance"


def agreement(ours: Summary, theirs: Summary) -> str:
    """Returns whether two means agree: by Welch's t test at 5 % or, of a single value of ours, whether it lies in the
    95 % prediction interval of one more of theirs."""
    if theirs.deviation is None:
        return NO_SPREAD
    if ours.count < 2:
        low, high = range_of_another(theirs)
        return ONE_WITHIN if low <= ours.mean <= high else ONE_OUTSIDE
    low, high = difference_of_means(ours, theirs)
    return AGREES if low <= 0 <= high else DIFFERS


def described(summary: Summary) -> str:
    """Returns a published mean with standard error and 95 % interval, as far as they are known."""
    if summary.deviation is None:
        return f"{summary.mean:g}"
    error, low, high = (f"{float(f'{value:.3g}'):.10g}" for value in (
        summary.deviation / summary.count ** 0.5, *summary.interval))  # 1000, not 1e+03
    return f"{summary.mean:g} ± {error} [{low}, {high}]"


def differing_fields(told: Mapping[str, Any], protocol: Mapping[str, Any]) -> list[str]:
    """Returns the names of the fields in which what a source tells of its protocol differs from a protocol of ours. One
    that is told by name alone agrees with values that followed it."""
    ours = binding_fields(protocol) | {"name": protocol.get("name")}
    return [name for name, value in told.items() if ours.get(name) != value]


def read(path: Path) -> list[Published]:
    """Returns the entries of a file such as conf/published.yaml; raises a RequestError if any cannot be used."""
    try:
        content = reading.read_yaml(path)
    except reading.Unreadable as error:
        raise RequestError(f"published={path} cannot be used: {error}. conf/published.yaml is an example") from error
    entries = content.get("published")
    if not isinstance(entries, list):
        raise RequestError(f"published={path} must hold a list named published: conf/published.yaml is an example")
    return [*(_entry(entry, f"published={path}: entry {number}") for number, entry in enumerate(entries, 1)),
            *(each for table in read_tables(path).values() for each in _of_table(table))]


def _of_table(table: PublishedTable) -> Iterator[Published]:
    """Yields the values of a table's rows that are recipes of ours."""
    for row in table.rows.values():
        for metric, summary in row.values.items():
            if row.where is not None and summary:
                yield Published(row.where, metric, summary.mean, None, table.protocol_of(metric),
                                f"{table.source}, {row.name}", summary, row.images)


def _entry(entry: Any, where: str) -> Published:
    if not isinstance(entry, Mapping) or set(entry) != KEYS:
        raise RequestError(f"{where} must have exactly {', '.join(sorted(KEYS))}")
    numbers = {name: reading.finite_number(entry, name) for name in ("value", "tolerance")}
    texts = {name: reading.text(entry, name) for name in ("metric", "source")}
    mappings = {name: entry[name] for name in ("where", "protocol")}
    if None in numbers.values() or "" in texts.values() or not all(isinstance(each, Mapping)
                                                                   for each in mappings.values()):
        raise RequestError(f"{where}: value and tolerance must be numbers, metric and source texts, where and protocol "
                           "names with values")
    return Published(**mappings, **numbers, **texts)


def _choice_or_setting(run: Run, name: str) -> Any:
    """Returns a run's choice (`model`) or setting (`model.generator.width`)."""
    return run.choices[name] if name in run.choices else at(run.settings, name)
