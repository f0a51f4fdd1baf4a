"""What a job's directory is called: its number and what tells it from the other jobs, e.g. 3_loss=hinge,seed=1."""

import re
from collections.abc import Iterable, Sequence

LONGEST = 80  # characters, so that <name>.log and whatever is put beside it fit into 255 bytes


def directory_name(number: int, overrides: Sequence[str], known: Iterable[str]) -> str:
    """`overrides`: those to be named. `known`: the names of all settings that jobs of the sweep are given, which must
    stay apart: generator.lr and discriminator.lr, but seed."""
    known = set(known)
    settings = (override.lstrip("+").partition("=") for override in overrides)
    said = ",".join(f"{_safe(shortest(name, known))}={_value(value)}" for name, _, value in settings)
    return f"{number}_{said}"[:LONGEST].rstrip("_,=+-. ")


def shortest(name: str, known: Iterable[str]) -> str:
    """The last dotted parts of `name` that no other name ends with"""
    parts = name.split(".")
    others = [other.split(".") for other in known if other != name]
    for count in range(1, len(parts)):
        if all(other[-count:] != parts[-count:] for other in others):
            return ".".join(parts[-count:])
    return name


def setting(override: str) -> str:
    return override.lstrip("+").partition("=")[0]


def _value(typed: str) -> str:
    """[ema,r1] -> ema+r1, [] -> none"""
    return _safe(re.sub(r"[\[\]{}()'\"\s]", "", typed).replace(",", "+")) or "none"


def _safe(text: str) -> str:
    """As a part of a file's name, in every shell and file system"""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")
