"""What papers report beside what we measured: conf/published.yaml. Compared only where name and protocol agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.comparison.columns import that_binds
from saddlepoint.config.paths import at
from saddlepoint.errors import RequestError
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run

KEYS = {"where", "metric", "value", "tolerance", "protocol", "source"}


@dataclass(frozen=True)
class Published:
    where: Mapping[str, Any]  # choices or settings of a run -> what they must be
    metric: str  # with its extractor: fid_inception
    value: float
    tolerance: float  # in the metric's unit: a value as near as this agrees
    protocol: Mapping[str, Any]  # what the source says of it; a value of another protocol is not compared
    source: str

    def is_about(self, run: Run) -> bool:
        return all(_chosen(run, name) == wanted for name, wanted in self.where.items())

    def unlike(self, protocol: Mapping[str, Any]) -> list[str]:
        """Names of what the source did otherwise."""
        ours = that_binds(protocol)
        return [name for name, value in self.protocol.items() if ours.get(name) != value]

    def verdict(self, mean: float, protocol: Mapping[str, Any]) -> str:
        unlike = self.unlike(protocol)
        if unlike:
            return f"not compared: other {' and '.join(name.replace('_', ' ') for name in unlike)}"
        return "within tolerance" if abs(mean - self.value) <= self.tolerance else "outside tolerance"


def read(path: Path) -> list[Published]:
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
    numbers = {name: reading.finite(entry, name) for name in ("value", "tolerance")}
    texts = {name: reading.text(entry, name) for name in ("metric", "source")}
    mappings = {name: entry[name] for name in ("where", "protocol")}
    if None in numbers.values() or "" in texts.values() or not all(isinstance(each, Mapping)
                                                                   for each in mappings.values()):
        raise RequestError(f"{where}: value and tolerance must be numbers, metric and source texts, where and protocol "
                           "names with values")
    return Published(**mappings, **numbers, **texts)


def _chosen(run: Run, name: str) -> Any:
    """A choice (model) or a setting (model.generator.width)"""
    return run.choices[name] if name in run.choices else at(run.settings, name)
