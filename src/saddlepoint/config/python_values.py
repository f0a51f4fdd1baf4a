"""Writes Python values as settings in Hydra's grammar, from which Hydra reads exactly these values. Imports no torch.

    {"model": "mlp", "budget": {"images": 48000}, "data.root": Path("my photos")}
    -> model=mlp, budget.images=48000, data.root='my photos'
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path

from saddlepoint.config.overrides import OVERRIDE, as_choice
from saddlepoint.config.spelling import WORDS, quoted, shown, without_interpolation
from saddlepoint.errors import RequestError

TARGET = "_target_"  # in a dict: it is one value, an object and its settings, e.g. a schedule
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a value that is a dict; Hydra reads no others


def as_overrides(values: Mapping[str, object]) -> list[str]:
    """Returns a setting as typed for each value. A dict stands for the settings below a name, unless it has `_target_`.

    Texts stay texts, whatever is in them: "null", "1" and "${x}" too. Raises a RequestError for a value that no setting
    can have.
    """
    return [as_choice(f"{name}={written(value, name)}") for name, value in _flat(values)]


def written(value: object, name: str) -> str:
    """Returns a value in Hydra's grammar. `name` of the setting is for the message."""
    if hasattr(value, "tolist"):  # numbers and arrays of numpy and torch
        value = value.tolist()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | Path):
        text = str(value)
        return text if PLAIN.fullmatch(text) and text.lower() not in WORDS else quoted(without_interpolation(text))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, Mapping) and all(isinstance(key, str) and KEY.fullmatch(key) for key in value):
        return "{" + ",".join(f"{key}:{written(each, f'{name}.{key}')}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(written(each, name) for each in value) + "]"
    raise RequestError(f"{name}={shown(repr(value))} is of the type {type(value).__name__}, which no setting has: give "
                       "None, True or False, a number, a text, a Path, or a list of these; a dict of them sets what "
                       f"stands below {name}")


def _flat(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yields the dotted name and the value of each setting."""
    for key, value in values.items():
        name = f"{above}{key}"
        if "=" in name or not OVERRIDE.match(f"{name}="):
            raise RequestError(f"{shown(name)} is not the name of a setting: names are written model or budget.images")
        if isinstance(value, Mapping) and TARGET not in value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value
