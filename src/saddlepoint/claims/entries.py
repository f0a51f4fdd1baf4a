"""Reads the yaml files of claims and reproductions, and refuses what they may not hold in sentences."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from saddlepoint.config.folders import options
from saddlepoint.config.overrides import OVERRIDE
from saddlepoint.config.rules import nearest
from saddlepoint.errors import RequestError
from saddlepoint.metrics.comparable import GREATER_IS_BETTER, greater_is_better
from saddlepoint.runs import reading

MISSING = object()
OWN_CLASSIFIER = "extractor=classifier"  # as it is typed


class Entry:
    """A mapping of a yaml file, whose values are asked for by name with the kind that they must have.

    where: the file, and the place in it, as sentences name it, e.g. claims/r1.yaml: holds_if
    """

    def __init__(self, content: Any, where: str, known: Sequence[str]):
        if not isinstance(content, Mapping):
            raise RequestError(f"{where} must hold names and values ({', '.join(known)})")
        self.content, self.where = content, where
        for name in content:
            if name not in known:
                raise RequestError(f"{where}: {name} is not known{nearest(str(name), known)} (there are "
                                   f"{', '.join(known)})")

    @classmethod
    def of_file(cls, path: Path, known: Sequence[str]) -> "Entry":
        """Returns the content of a file; raises a RequestError if there is none."""
        where = f"{path.parent.name}/{path.name}"
        try:
            return cls(reading.read_yaml(path), where, known)
        except reading.Unreadable as error:
            raise RequestError(f"{where} cannot be used: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self.content

    def text(self, name: str, default: Any = MISSING) -> str:
        return self._value(name, "a text", lambda value: isinstance(value, str) and bool(value.strip()), default)

    def count(self, name: str, default: Any = MISSING, least: int = 1) -> int:
        return self._value(name, f"a whole number of at least {least}", lambda value: is_count(value, least), default)

    def flag(self, name: str) -> bool:
        return self._value(name, "true or false", lambda value: isinstance(value, bool), False)

    def number(self, name: str) -> float:
        return float(self._value(name, "a finite number", lambda _: reading.finite_number(self.content, name)
                                 is not None))

    def words(self, name: str, default: Any = MISSING) -> tuple[str, ...]:
        """Returns a list of settings as they are typed."""
        return tuple(self._value(name, "a list of settings as they are typed, e.g. [loss=hinge]", are_words, default))

    def part(self, name: str, known: Sequence[str]) -> "Entry":
        """Returns the mapping of that name as an entry."""
        return Entry(self._value(name, "there", lambda _: True), f"{self.where}: {name}", known)

    def items(self, name: str) -> list[tuple[str, Any]]:
        """Returns the names and values of a mapping that may have any names, at least one."""
        return [*self._value(name, "names and values", lambda value: isinstance(value, Mapping) and bool(value) and all(
            isinstance(each, str) for each in value)).items()]

    def one_of(self, *names: str) -> str:
        """Returns which of these names the entry has; refuses none and several."""
        there = [name for name in names if name in self.content]
        if len(there) != 1:
            listed = f"{', '.join(names[:-1])} or {names[-1]}"
            raise RequestError(f"{self.where} must have exactly one of {listed}, and has "
                               f"{' and '.join(there) or 'none'}")
        return there[0]

    def metric(self, name: str) -> str:
        """Returns a metric as metrics.json names it, e.g. fid_digits; refuses one that is not measured here."""
        metric = self.text(name)
        refuse_unknown_metric(metric, f"{self.where}: {name}={metric}")
        return metric

    def _value(self, name: str, must_be: str, is_good: Any, default: Any = MISSING) -> Any:
        value = self.content.get(name, default)
        if value is MISSING:
            raise RequestError(f"{self.where} lacks {name}, which must be {must_be}")
        if name in self.content and not is_good(value):
            raise RequestError(f"{self.where}: {name}={value} must be {must_be}")
        return value


def is_count(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and OVERRIDE.match(word) for word in value)


def refuse_equal(where: str, named: Iterable[tuple[str, Hashable]]) -> None:
    """Raises a RequestError for two names of the same runs, with which nothing can be compared."""
    names: dict[Hashable, str] = {}
    for name, runs in named:
        if (other := names.setdefault(runs, name)) != name:
            raise RequestError(f"{where}: {other} and {name} are the same runs, as their words are: change one of them")


def refuse_unknown_metric(metric: str, where: str, words: Sequence[str] = ()) -> None:
    """Raises a RequestError if no metric of conf/metrics/ by an extractor of conf/extractor/ has this name, nor one of
    image pairs. Where `words` choose a classifier of one's own, any name may stand for that."""
    names = [f"{name}_{extractor}" for name in options("metrics") for extractor in options("extractor")]
    if OWN_CLASSIFIER in words and any(metric.startswith(f"{name}_") for name in options("metrics")):
        return
    if metric not in (*names, *GREATER_IS_BETTER):
        raise RequestError(f"{where} is no metric{nearest(metric, names)} (a metric is named with its extractor, "
                           "e.g. fid_digits)")


def is_greater_better(metric: str) -> bool | None:
    """Returns whether a greater value of a metric, named with its extractor, is better; None if neither is."""
    fitting = [each for each in options("extractor") if metric.endswith(f"_{each}")]
    extractor = max(fitting, key=len, default="")  # stacked_digits, not digits
    return greater_is_better(metric, extractor)
