"""Reads what a search may vary, in Hydra's grammar: a,b,c  range(1, 9, 2)  interval(0, 1)  int(interval(1, 8))
tag(log, interval(1e-5, 1e-3)). Imports neither Optuna nor torch, so that mistakes are refused at once."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from saddlepoint.errors import RequestError
from saddlepoint.sweeps.naming import setting

DIGITS = 6  # significant digits of a number that is tried: more would only lengthen the line to type
AFFECT_SCORES = ("data", "degradation", "extractor", "metrics", "callbacks")  # groups that decide what a score means,
OF_TRAINING = ("data.batch_size", "data.seed", "data.horizontal_flip", "data.rotate", "data.num_workers", "data.cache",
               "data.on_device", "data.draft", "data.memory_megabytes", "data.pair_pool", "data.sharpen_target",
               "data.degradation_crop",
               "data.degradation.*")  # except these settings, which change neither the real images nor their framing
EXAMPLE = "'optimizer.generator.lr=tag(log, interval(1e-5, 1e-3))' or loss=hinge,nonsaturating"


@dataclass(frozen=True)
class Choices:
    """A setting that takes one of several values."""

    key: str  # as typed, perhaps with + before it
    texts: tuple[str, ...]

    def corner(self, number: int) -> str:
        """Returns the values one after the other for number 0, 1, 2, ..., then always the last."""
        return self.texts[min(number, len(self.texts) - 1)]

    def text(self, value: str) -> str:
        return value

    def __str__(self) -> str:
        return f"{self.key}={','.join(self.texts)}"


@dataclass(frozen=True)
class Numbers:
    """A setting that takes a number from `low` to `high`, both included."""

    key: str
    low: float
    high: float
    step: float | None = None  # None: any number between
    whole: bool = False
    log: bool = False

    def corner(self, number: int) -> str:
        """Returns the lower end for number 0, then always the upper end."""
        return self.text(self.high if number else self.low)

    def text(self, value: float) -> str:
        """Returns a number as it is typed, with DIGITS significant digits and within the bounds."""
        if self.whole:
            return str(round(value))
        return repr(min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high))

    def __str__(self) -> str:
        between = f"{self.low:g} to {self.high:g}"
        parts = [between, *(["whole"] if self.whole else []), *(["log"] if self.log else []),
                 *([f"in steps of {self.step:g}"] if self.step else [])]
        return f"{self.key}=({', '.join(parts)})"


Dimension = Choices | Numbers


@dataclass(frozen=True)
class Space:
    """The settings that a search varies, and those that all its trials share."""

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...]  # overrides of every trial
    moments: tuple[str, ...] = ()  # further ones, so that all trials are measured after the same numbers of images

    def overrides(self, values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Returns the overrides of a trial with these values, and which of them the search chose."""
        searched = [f"{each.key}={each.text(values[each.key])}" for each in self.dimensions]
        return [*self.fixed, *self.moments, *searched], searched

    def corners(self) -> list[list[str]]:
        """Returns the overrides of a few trials that together have every choice and both ends of every interval, to
        check them before any trial runs."""
        count = max([2, *(len(each.texts) for each in self.dimensions if isinstance(each, Choices))])
        return [[*self.fixed, *self.moments, *(f"{each.key}={each.corner(number)}" for each in self.dimensions)]
                for number in range(count)]


def read_space(typed: Sequence[str], from_yaml: Mapping[str, Any] | None, loader: ConfigLoader | None) -> Space:
    """Returns the space of typed overrides, some of which have several values, and of hydra.sweeper.space in a yaml
    file. Raises a RequestError for what a search cannot vary."""
    parser = OverridesParser.create(config_loader=loader)
    overrides = parser.parse_overrides(list(typed))
    varied = [each for each in overrides if each.is_sweep_override()]
    varied += [_parse_entry(parser, key, value) for key, value in (from_yaml or {}).items()]
    fixed = [each for each in overrides if not each.is_sweep_override()]
    if not varied:
        raise RequestError(f"A search needs settings to vary: type e.g. {EXAMPLE}, or write them into a yaml file "
                           "under hydra.sweeper.space")
    _refuse_names(fixed, varied)
    return Space(tuple(map(read_dimension, varied)),
                 tuple(f"{each.get_key_element()}={each.get_value_element_as_str()}" for each in fixed))


def _parse_entry(parser: OverridesParser, key: str, value: Any) -> Override:
    try:
        [override] = parser.parse_overrides([f"{key}={value}"]) if isinstance(value, str) else [None]
    except OverrideParseException as error:
        raise RequestError(f"hydra.sweeper.space.{key}={value} cannot be read: {str(error).splitlines()[0]}") from error
    if override is None or not override.is_sweep_override():
        raise RequestError(f"hydra.sweeper.space.{key}={value} must be a text with several values, e.g. {EXAMPLE}; one "
                           f"value is typed: {key}={value}")
    return override


def _refuse_names(fixed: Iterable[Override], varied: Sequence[Override]) -> None:
    """Raises a RequestError if a setting is given twice, or decides what a score means."""
    names = [setting(each.get_key_element()) for each in varied]
    fixed_names = {setting(each.get_key_element()) for each in fixed}
    for index, name in enumerate(names):
        if name in fixed_names:
            raise RequestError(f"{name}= is given one value and is searched as well: type one of the two")
        if name in names[:index]:
            raise RequestError(f"{name}= is searched twice: type it once")
        if affects_scores(name):
            raise RequestError(f"{name}= cannot be searched, since it decides what a score means, and scores of unlike "
                               "protocol have no best one: give it one value")


def affects_scores(name: str) -> bool:
    """Returns whether a setting, or a choice, decides what a score means."""
    return name.partition(".")[0] in AFFECT_SCORES and not any(fnmatchcase(name, pattern) for pattern in OF_TRAINING)


def read_dimension(override: Override) -> Dimension:
    """Returns the dimension that an override with several values describes, or raises a RequestError."""
    key, value = override.get_key_element(), override.value()
    tags = set(getattr(value, "tags", ()))
    if tags - {"log"} or (tags and not override.is_interval_sweep()):
        raise RequestError(f"{override.input_line}: the only tag a search knows is log, of an interval: "
                           f"{key}=tag(log, interval(1e-5, 1e-3))")
    if override.is_interval_sweep():
        return _interval(key, value.start, value.end, "log" in tags)
    texts = list(dict.fromkeys(override.sweep_string_iterator()))
    if not texts:
        raise RequestError(f"{override.input_line} holds no value")
    if override.is_range_sweep():
        return _range(key, sorted(map(float, texts)), value.step, isinstance(value.start, int))
    return Choices(key, tuple(sorted(texts) if getattr(value, "shuffle", False) else texts))


def _interval(key: str, low: float, high: float, log: bool) -> Numbers:
    interval = f"{key}=interval({low:g}, {high:g})"
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RequestError(f"{interval} must go from a finite number to a larger one")
    if log and low <= 0:
        raise RequestError(f"{interval} with log must begin above 0: type {key}=tag(log, interval(1e-5, {high:g})), or "
                           "leave log out")
    return Numbers(key, low, high, whole=isinstance(low, int), log=log)


def _range(key: str, values: Sequence[float], step: float, start_is_whole: bool) -> Numbers:
    whole = start_is_whole and isinstance(step, int)
    number = int if whole else float
    return Numbers(key, number(values[0]), number(values[-1]), abs(step), whole)
