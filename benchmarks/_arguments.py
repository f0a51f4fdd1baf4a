"""Reads the arguments of a benchmark, which are typed as name=value."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def read_arguments(defaults: Mapping[str, Any], typed: Sequence[str] | None = None) -> dict[str, Any]:
    """Returns the values by name; whole numbers where the default is one. Ends the program with exit code 2 and a
    sentence at a name that is not among the defaults, and at a value that is no whole number where one is needed."""
    values = dict(defaults)
    for argument in sys.argv[1:] if typed is None else typed:
        name, equals, value = argument.partition("=")
        if not equals or name not in defaults:
            _refuse(f"{argument} is not taken: this benchmark takes {', '.join(f'{each}=' for each in defaults)}")
        is_number = isinstance(defaults[name], int)
        if is_number and not value.isdecimal():
            _refuse(f"{argument} must be a whole number")
        values[name] = int(value) if is_number else value
    return values


def _refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)
