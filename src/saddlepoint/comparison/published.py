"""Reads the scores that papers report (conf/published.yaml). They are shown beside scores of the same metric, and
compared with them only if the protocols agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.comparison.columns import binding_fields
from saddlepoint.config.paths import at
from saddlepoint.errors import RequestError
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run

KEYS = {"where", "metric", "value", "tolerance", "protocol", "source"}


@dataclass(frozen=True)
class Published:
    """A score that a paper reports for a recipe."""

    where: Mapping[str, Any]  # choices or settings of a run -> the values they must have
    metric: str  # with its extractor, e.g. fid_inception
    value: float
    tolerance: float  # in the metric's unit: a mean that is no farther away agrees
    protocol: Mapping[str, Any]  # as far as the source tells it; a value of another protocol is not compared
    source: str

    def is_about(self, run: Run) -> bool:
        return all(_choice_or_setting(run, name) == value for name, value in self.where.items())

    def differing_fields(self, protocol: Mapping[str, Any]) -> list[str]:
        """Returns the names of the fields in which the source's protocol differs from the given one."""
        return differing_fields(self.protocol, protocol)

    def verdict(self, mean: float, protocol: Mapping[str, Any]) -> str:
        """Returns whether a mean agrees with the published value, or why the two are not compared."""
        fields = ["protocol" if name == "name" else name.replace("_", " ") for name in self.differing_fields(protocol)]
        if fields:
            return f"not compared: other {' and '.join(fields)}"
        return "within tolerance" if abs(mean - self.value) <= self.tolerance else "outside tolerance"


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
    return [_entry(entry, f"published={path}: entry {number}") for number, entry in enumerate(entries, 1)]


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
