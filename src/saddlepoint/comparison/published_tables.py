"""Reads tables of papers whose rows have means with standard errors (conf/published.yaml, `tables`): rows of recipes of
ours, which are compared by Welch's t, and rows of other systems."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.comparison.statistics import Summary, of_standard_error
from saddlepoint.errors import RequestError
from saddlepoint.runs import reading

KEYS = {"source", "data", "where", "runs", "protocol", "rows"}
KEYS_OF_A_ROW = {"where", "images", "values"}
FAILS = "fails"  # what a paper says instead of a value where training failed


@dataclass(frozen=True)
class TableRow:
    """A row of a table: a recipe of ours, or another system."""

    name: str
    where: Mapping[str, Any] | None  # choices and settings of a run of it; None: no recipe of ours
    images: int | None  # real images that a run of the paper was shown; None: not told
    values: Mapping[str, Summary | None]  # by metric; None: training failed

    @property
    def fails(self) -> bool:
        return None in self.values.values()


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper."""

    name: str
    source: str
    data: tuple[str, ...]  # names of the real images
    protocol: Mapping[str, Any]  # of all values; those of a metric alone are a mapping by its name
    rows: Mapping[str, TableRow]

    def protocol_of(self, metric: str) -> dict[str, Any]:
        """Returns what the paper tells of the protocol of a metric's values."""
        shared = {name: value for name, value in self.protocol.items() if name not in self.metrics}
        return shared | dict(self.protocol.get(metric, {}))

    @property
    def metrics(self) -> list[str]:
        return [*dict.fromkeys(metric for row in self.rows.values() for metric in row.values)]


def read_tables(path: Path) -> dict[str, PublishedTable]:
    """Returns name -> table of a file such as conf/published.yaml, none if it has no such part; raises a RequestError
    if any cannot be used."""
    try:
        content = reading.read_yaml(path)
    except reading.Unreadable as error:
        raise RequestError(f"published={path} cannot be used: {error}. conf/published.yaml is an example") from error
    tables = content.get("tables") or {}
    if not isinstance(tables, Mapping):
        raise RequestError(f"published={path}: tables must have names: conf/published.yaml is an example")
    return {str(name): _table(str(name), table, f"published={path}: tables, {name}") for name, table in tables.items()}


def _table(name: str, table: Any, where: str) -> PublishedTable:
    if not isinstance(table, Mapping) or set(table) != KEYS:
        raise RequestError(f"{where} must have exactly {', '.join(sorted(KEYS))}")
    source, runs = reading.text(table, "source"), reading.count(table, "runs")
    data = table["data"] if isinstance(table["data"], list) else [table["data"]]
    mappings = [reading.mapping(table, part) for part in ("where", "protocol", "rows")]
    if not source or not runs or not mappings[2] or not all(isinstance(each, str) for each in data):
        raise RequestError(f"{where}: source must be a text, data a name or a list of names, runs how many there were "
                           "of each row, and rows names with values")
    rows = {str(row): _row(str(row), content, mappings[0], runs, f"{where}, {row}")
            for row, content in mappings[2].items()}
    made = PublishedTable(name, source, tuple(data), mappings[1], rows)
    for metric, own in made.protocol.items():
        if (metric in made.metrics) != isinstance(own, Mapping):
            raise RequestError(f"{where}: protocol, {metric} must be a value, or names with values under the name of "
                               "one of the table's metrics")
    return made


def _row(name: str, content: Any, shared: Mapping[str, Any], runs: int, where: str) -> TableRow:
    if not isinstance(content, Mapping) or not {"values"} <= set(content) <= KEYS_OF_A_ROW:
        raise RequestError(f"{where} must have values, and may have where and images")
    own = content.get("where")
    return TableRow(name, None if own is None else {**shared, **reading.mapping(content, "where")},
                    reading.count(content, "images"),
                    {str(metric): _value(value, runs, f"{where}, {metric}")
                     for metric, value in reading.mapping(content, "values").items()})


def _value(value: Any, runs: int, where: str) -> Summary | None:
    """Returns the summary of `[mean, standard error]`, or of a mean alone; None for FAILS."""
    if value == FAILS:
        return None
    numbers = [reading.finite_number({"": each}, "") for each in (value if isinstance(value, list) else [value])]
    if None in numbers or len(numbers) not in (1, 2) or numbers[1:] and (numbers[1] < 0 or runs < 2):
        raise RequestError(f"{where} must be a mean, or [mean, standard error] of several runs, or {FAILS}")
    return of_standard_error(*numbers, runs) if len(numbers) == 2 else Summary(runs, numbers[0], None, None)
