"""Rules for values: functions that return what a value must be, or None when it is that already. Imports no torch.

A constructor states the rule of a setting in its annotation, `gamma: Annotated[Schedule | float, number(0)]`, or with
one of the types at the end of this file, `every: Count`. signatures.py reads them from the source text.
"""

import difflib
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from saddlepoint.config import image_sizes, typed_paths

Rule = Callable[[Any], str | None]  # value -> what it must be, or None when it is that already


def nearest(name: str, valid: Iterable[str]) -> str:
    """Returns `: did you mean ...?`, or an empty text when no valid name is near."""
    valid = list(valid)
    last = name.rpartition(".")[2]  # the right word in the wrong place: lr -> optimizer.generator.lr
    close = [path for path in valid if path.rpartition(".")[2] == last]
    close = close or difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    close = close or difflib.get_close_matches(last, valid, n=1, cutoff=0.6)
    return f": did you mean {' or '.join(close[:2])}?" if close else ""


def as_typed(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def integer(low: int | None = None, high: int | None = None) -> Rule:
    """Returns the rule low <= value <= high for whole numbers; None: no bound."""
    bounds = "" if low is None else f" of at least {low}" if high is None else f" from {low} to {high}"

    def rule(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool)
        good = good and (low is None or low <= value) and (high is None or value <= high)
        digits = f", written {int(value)}" if isinstance(value, float) and value.is_integer() else ""
        return None if good else f"a whole number{bounds}{digits}"
    return rule


def number(low: float = -math.inf, high: float = math.inf, above: bool = False, below: bool = False) -> Rule:
    """Returns the rule low <= value <= high for numbers; `above` and `below` exclude the bound itself."""
    words = [f"{'above' if above else 'at least'} {low:g}"] if low > -math.inf else []
    words += [f"{'below' if below else 'at most'} {high:g}"] if high < math.inf else []

    def rule(value: Any) -> str | None:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        good = good and abs(value) <= sys.float_info.max  # neither nan, inf nor a whole number that no float can be
        good = good and low <= value <= high and not (above and value == low) and not (below and value == high)
        return None if good else f"a number {' and '.join(words)}" if words else "a finite number"
    return rule


def one_of(*names: str | int | None) -> Rule:
    def rule(value: Any) -> str | None:
        if any(type(value) is type(name) and value == name for name in names):  # 4.0 and true are not 4 and 1
            return None
        return "one of " + ", ".join(map(as_typed, names)) + nearest(str(value), filter(None, map(str, names)))
    return rule


class ListOf:
    """A rule for lists, of `length` values where that is given, each of which is held to one rule."""

    def __init__(self, rule: Rule, length: int | None = None, empty: bool = False):
        self.rule, self.length, self.empty = rule, length, empty

    def __call__(self, value: Any) -> str | None:
        must_be = f"a list of {self.length} values, each " if self.length else "a list, e.g. [a,b], each value "
        good = isinstance(value, list | tuple) and (self.empty or value) and self.length in (None, len(value))
        refusals = [] if not good else [each for each in map(self.rule, value) if each]
        if good and not refusals:
            return None
        return must_be + (refusals[0] if refusals else self.rule(object()) or "as documented")


list_of = ListOf


class MappingOf:
    """A rule for mappings from names to values, each of which is held to one rule."""

    def __init__(self, rule: Rule):
        self.rule = rule

    def __call__(self, value: Any) -> str | None:
        if isinstance(value, Mapping) and not any(map(self.rule, value.values())):
            return None
        if isinstance(self.rule, MappingOf):
            return f"a mapping, e.g. {{a: {{b: 1}}}}, each number in it {self.rule.rule(object())}"
        return f"a mapping, e.g. {{a: 1}}, each value {self.rule(object())}"


mapping_of = MappingOf


def null_unless_chosen(by: str) -> Rule:
    """Returns the rule of a part of the configuration that a group's option fills in, `by` what is typed for it."""
    return lambda value: None if value is None else f"null here: choose it with {by}"


def set_by(setting: str) -> Rule:
    """Returns the rule of an argument that build.py hands over, `setting` where its value comes from."""
    return lambda value: f"removed: it is what {setting}= says"


def optional(rule: Rule) -> Rule:
    return lambda value: None if value is None or not rule(value) else f"{rule(value)}, or null"


def either(*rules: Rule) -> Rule:
    def check(value: Any) -> str | None:
        refusals = [rule(value) for rule in rules]
        return None if None in refusals else ", or ".join(refusals)
    return check


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text"


def path(value: Any) -> str | None:
    return typed_paths.must_be(value)


def image_size(value: Any) -> str | None:
    return image_sizes.must_be(value)


def not_empty(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "a text that is not empty"


def address(value: Any) -> str | None:
    """Returns what the address of a service, or of a file (sqlite:///PATH), must be. The program that opens it does not
    replace ~."""
    kind, _, path = value.partition("///") if isinstance(value, str) else ("", "", "")
    if path.startswith("~"):
        return f"an address without ~, e.g. {kind}///{typed_paths.expanded(path, 'logger.mlflow.tracking_uri')}"
    return not_empty(value)


def a_class(value: Any) -> str | None:
    return text(value) and integer(0)(value) and "the name of a class, or its number, of at least 0"


def all_or_a_class(value: Any) -> str | None:
    """Returns what a value of class= must be. A list of one name stands for a class of that name, even if it is
    `all`."""
    return a_class(value) and list_of(text, length=1)(value) and a_class(value)


def sum_of_images(value: Any) -> str | None:
    numbers = r"\s*\d+(?:[\s,]+\d+)*\s*"
    group = rf"(?:{numbers}|\s*\[{numbers}\]\s*)"
    good = isinstance(value, str) and re.fullmatch(rf"[+-]?{group}(?:[+-]{group})*", value)
    return None if good else "groups of image numbers with + or - between them, e.g. 1,2,3-4,5,6+7,8,9"


def finite(value: Any) -> str | None:
    return "finite" if isinstance(value, float) and not math.isfinite(value) else None


# Annotations of constructors. Those with bounds are made of rules; int, float, bool and str alone have none.
Count = Annotated[int, integer(1)]
WholeNumber = Annotated[int, integer(0)]
Seed = Annotated[int, integer(0, 2**63 - 1)]
NonNegative = Annotated[float, number(0)]
Positive = Annotated[float, number(0, above=True)]
Probability = Annotated[float, number(0, 1)]
BelowOne = Annotated[float, number(0, 1, below=True)]
TypedPath = Annotated[str, path]
ImageSize = Annotated[int | Sequence[int], image_size]  # one side of squares, or [height,width]

# What signatures.py evaluates in an annotation.
FOR_ANNOTATIONS = frozenset({
    "Count", "WholeNumber", "Seed", "NonNegative", "Positive", "Probability", "BelowOne", "TypedPath", "ImageSize",
    "integer", "number", "one_of", "list_of", "mapping_of", "null_unless_chosen", "set_by", "optional", "either",
    "boolean", "text", "path", "image_size", "not_empty", "address", "a_class", "all_or_a_class",
})
