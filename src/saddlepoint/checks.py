"""Checks of constructor arguments. Each raises a ValueError with the setting, its value and what it must be.

`making.make` turns the ValueError into a RequestError, whose text the user reads.
"""

from collections.abc import Mapping

FRACTION = "at least 0 and below 1"


def require(holds: bool, setting: str, value: object, must_be: str) -> None:
    """Refuses the value unless a condition `holds`; `must_be` completes the sentence "... must be"."""
    if not holds:
        raise ValueError(f"{setting}={value} must be {must_be}")


def require_whole_numbers(settings: Mapping[str, int]) -> None:
    """Refuses each setting that is not a whole number of at least 1."""
    for name, value in settings.items():
        require(isinstance(value, int) and value >= 1, name, value, "a whole number of at least 1")


def at_least(lowest: int, **settings: int | None) -> None:
    """Refuses each setting of the data, by its name after `data.`, that is below `lowest`; None is allowed."""
    for setting, value in settings.items():
        if value is not None and value < lowest:
            raise ValueError(f"data.{setting}={value} must be at least {lowest}")


def one_of(setting: str, value: str, choices: tuple[str, ...]) -> str:
    """Returns the value of a setting of the data, or refuses one that is not among the choices."""
    if value not in choices:
        raise ValueError(f"data.{setting}={value} must be one of {', '.join(choices)}")
    return value
