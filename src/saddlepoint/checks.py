"""Checks of constructor arguments: a value that cannot be used is refused with its name, its value and what it must be.

All raise ValueError, which build.make turns into the sentence that a user reads.
"""

from collections.abc import Mapping

FRACTION = "at least 0 and below 1"


def require(holds: bool, setting: str, value: object, must_be: str) -> None:
    if not holds:
        raise ValueError(f"{setting}={value} must be {must_be}")


def require_whole_numbers(settings: Mapping[str, int]) -> None:
    for name, value in settings.items():
        require(isinstance(value, int) and value >= 1, name, value, "a whole number of at least 1")


def at_least(lowest: int, **settings: int | None) -> None:
    for setting, value in settings.items():
        if value is not None and value < lowest:
            raise ValueError(f"data.{setting}={value} must be at least {lowest}")


def one_of(setting: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"data.{setting}={value} must be one of {', '.join(choices)}")
    return value
