"""Names the directories of jobs by number and by the settings in which jobs differ, e.g. 3_loss=hinge,seed=1."""

import re
from collections.abc import Iterable, Sequence

LONGEST = 80  # characters, so that <name>.log and names made from it have at most 255 bytes


def directory_name(number: int, overrides: Sequence[str], known: Iterable[str]) -> str:
    """Returns the name of a job's directory: its number, then its `overrides` in short.

    `known` has the names of all settings that jobs of the sweep are given. A setting is named by as few of its last
    parts as distinguish it from the others: generator.lr and discriminator.lr, but seed.
    """
    known = set(known)
    settings = (override.lstrip("+").partition("=") for override in overrides)
    words = ",".join(f"{_safe(short_name(name, known))}={_value(value)}" for name, _, value in settings)
    return f"{number}_{words}"[:LONGEST].rstrip("_,=+-. ")


def short_name(name: str, known: Iterable[str]) -> str:
    """Returns the last dotted parts of `name`, as few as no other known name ends with."""
    parts = name.split(".")
    others = [other.split(".") for other in known if other != name]
    for count in range(1, len(parts)):
        if all(other[-count:] != parts[-count:] for other in others):
            return ".".join(parts[-count:])
    return name


def setting(override: str) -> str:
    """Returns the name of the setting that an override sets: +run.note=x -> run.note."""
    return override.lstrip("+").partition("=")[0]


def _value(typed: str) -> str:
    """Returns a typed value as a part of a file's name: [ema,r1] -> ema+r1, [] -> none."""
    return _safe(re.sub(r"[\[\]{}()'\"\s]", "", typed).replace(",", "+")) or "none"


def _safe(text: str) -> str:
    """Replaces all characters that have a meaning in any shell or file system."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")
