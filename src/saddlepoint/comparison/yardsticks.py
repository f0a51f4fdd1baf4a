"""Published values of other systems on the same data (conf/published.yaml, `yardsticks`), which stand below ours.

Unlike the scores of published.py they belong to no recipe of ours: they say what others reached under a protocol."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.comparison.columns import Column
from saddlepoint.comparison.layout import ARROWS, Sheet, Text
from saddlepoint.comparison.published import differing_fields
from saddlepoint.comparison.published_tables import PublishedTable, read_tables
from saddlepoint.comparison.table import Table
from saddlepoint.comparison.tabulating import direction
from saddlepoint.errors import RequestError
from saddlepoint.runs import reading

KEYS = {"data", "metric", "protocol", "source", "values"}
AS_OURS = "as ours"


@dataclass(frozen=True)
class Yardstick:
    """A value that a source reports for a system."""

    system: str
    data: tuple[str, ...]  # names that the set has as real images, in lower case: data=NAME, or the stem of a file
    metric: str  # with its extractor, e.g. fid_inception
    value: float
    protocol: Mapping[str, Any]  # as far as the source tells it, perhaps by name
    source: str


@dataclass(frozen=True)
class Yardsticks:
    """The published values that belong to columns of ours, those of our protocol first, then the best first.

    columns: those to which all of the values compare alike: their protocols differ in nothing that the sources tell
    """

    columns: tuple[Column, ...]
    data: str
    entries: tuple[Yardstick, ...]

    @property
    def title(self) -> str:
        return f"published {self.metric} on {self.data}"

    @property
    def metric(self) -> str:
        """Returns the metric with the letters of its columns, e.g. `fid_digits [A, B]`."""
        letters = ", ".join(column.letter for column in self.columns if column.letter)
        return self.columns[0].metric + (f" [{letters}]" if letters else "")

    def protocol_of(self, entry: Yardstick) -> str:
        """Returns whether an entry was measured as our columns were, and if not, what is known to be otherwise."""
        return _protocol_of(entry, self.columns[0])

    @property
    def as_ours(self) -> tuple[Yardstick, ...]:
        return tuple(entry for entry in self.entries if self.protocol_of(entry) == AS_OURS)

    @property
    def others(self) -> tuple[Yardstick, ...]:
        return self.entries[len(self.as_ours):]


def read(path: Path) -> list[Yardstick]:
    """Returns the yardsticks of a file such as conf/published.yaml, none if it has no list of this name; raises a
    RequestError if any cannot be used."""
    try:
        tables = reading.read_yaml(path).get("yardsticks") or []
    except reading.Unreadable as error:
        raise RequestError(f"published={path} cannot be used: {error}. conf/published.yaml is an example") from error
    if not isinstance(tables, list):
        raise RequestError(f"published={path}: yardsticks must be a list: conf/published.yaml is an example")
    return [*(each for number, table in enumerate(tables, 1)
              for each in _entries(table, f"published={path}: yardsticks, entry {number}")),
            *(each for table in read_tables(path).values() for each in _of_table(table))]


def _of_table(table: PublishedTable) -> Iterator[Yardstick]:
    """Yields the values of a table's rows that are no recipes of ours."""
    for row in table.rows.values():
        for metric, summary in row.values.items():
            if row.where is None and summary:
                yield Yardstick(row.name, tuple(name.lower() for name in table.data), metric, summary.mean,
                                table.protocol_of(metric), table.source)


def _entries(table: Any, where: str) -> Iterator[Yardstick]:
    if not isinstance(table, Mapping) or set(table) != KEYS:
        raise RequestError(f"{where} must have exactly {', '.join(sorted(KEYS))}")
    metric, source = (reading.text(table, name) for name in ("metric", "source"))
    data = table["data"] if isinstance(table["data"], list) else [table["data"]]
    values, protocol = table["values"], table["protocol"]
    if not (metric and source and isinstance(values, Mapping) and values and isinstance(protocol, Mapping)
            and all(isinstance(name, str) for name in data)):
        raise RequestError(f"{where}: metric and source must be texts, data a name or a list of names, protocol fields "
                           "with values, and values systems with numbers")
    for system in values:
        if (value := reading.finite_number(values, system)) is None:
            raise RequestError(f"{where}: the value of {system} must be a number, and is {values[system]!r}")
        yield Yardstick(str(system), tuple(name.lower() for name in data), metric, value, protocol, source)


def yardsticks_of(table: Table, entries: Sequence[Yardstick]) -> list[Yardsticks]:
    """Returns the values that somebody published for a table's metrics and data, once for all columns that they
    compare with alike."""
    alike: dict[tuple[str, ...], list[Column]] = {}
    for column in table.columns:
        reference = str(column.protocol.get("reference", ""))
        protocols = [_protocol_of(each, column) for each in _fitting(entries, column.metric, reference)]
        if protocols:
            alike.setdefault((column.metric, reference, *protocols), []).append(column)
    found = []
    for (metric, reference, *protocols), columns in alike.items():
        sign = -1 if direction(columns[0]) else 1
        told = zip(protocols, _fitting(entries, metric, reference), strict=True)
        ordered = sorted(told, key=lambda each, sign=sign: (each[0] != AS_OURS, sign * each[1].value))
        found.append(Yardsticks(tuple(columns), reference, tuple(each for _, each in ordered)))
    return found


def _fitting(entries: Sequence[Yardstick], metric: str, reference: str) -> list[Yardstick]:
    return [each for each in entries if each.metric == metric and reference.lower() in each.data]


def _protocol_of(entry: Yardstick, column: Column) -> str:
    if not differing_fields(entry.protocol, column.protocol) and entry.protocol:
        return AS_OURS
    told = ", ".join(f"{'protocol' if name == 'name' else name.replace('_', ' ')} {value}"
                     for name, value in entry.protocol.items())
    return told or "not told"


def sheet(group: Yardsticks) -> Sheet:
    """Returns published values as a sheet, as `formats` writes it."""
    header = (Text(group.title, number=False), Text(group.metric + ARROWS[direction(group.columns[0])]),
              Text("protocol", number=False), Text("source", number=False))
    body = tuple((Text(each.system, number=False), Text(f"{each.value:g}"),
                  Text(group.protocol_of(each), number=False), Text(each.source, number=False))
                 for each in group.entries)
    return Sheet(header, body, 1)


def lines(groups: Sequence[Yardsticks]) -> Iterator[str]:
    """Yields a line for a terminal about each group: the values of our protocol, and how many there are of others."""
    for group in groups:
        ours = "; ".join(f"{each.system} {each.value:g}" for each in group.as_ours)
        others = len(group.others)
        more = f"{others} of other protocols, which do not compare: output= and page= list them" if others else ""
        yield f"{group.title}: " + "; ".join(filter(None, (ours, more)))
