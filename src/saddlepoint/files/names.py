"""Makes file names that every file system allows and distinguishes. Imports no torch.

Some file systems take A.png and a.png for the same name, or é as one code point and as two; most allow 255 bytes."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path, PurePath

MOST_BYTES = 255


def to_nfc(name: str) -> str:
    """Returns a name in the form NFC of Unicode, which most systems use; macOS uses NFD, with accents as code
    points."""
    return unicodedata.normalize("NFC", name)


def fold(path: PurePath | str) -> str:
    """Returns a text that is the same for all names that some file system takes for the same."""
    return to_nfc(to_nfc(str(path)).casefold())


def distinct(names: Sequence[str], instead: Sequence[str], reserved: Iterable[str] = ()) -> list[str]:
    """Returns names of which no file system takes two for the same, nor one and a name of `reserved`. A name stays if
    it is the only one of its kind. Else it is replaced by the one of `instead`, if that is; else a number is
    appended."""
    taken = set(map(fold, reserved))
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(fold(name), []).append(place)
    crowded = {name for name, places in groups.items() if len(places) > 1 or name in taken}
    chosen = dict.fromkeys(range(len(names)), "")
    for name, places in sorted(groups.items(), key=lambda group: group[0] in crowded):  # names that stay come first
        longer = Counter(fold(instead[place]) for place in places)
        for place in places:
            is_replaced = name in crowded and longer[fold(instead[place])] == 1
            preferred = instead[place] if is_replaced else names[place]
            chosen[place] = next(each for n in count(1) if fold(each := append_number(preferred, n)) not in taken)
            taken.add(fold(chosen[place]))
    return [*chosen.values()]


def append_number(name: str, number: int) -> str:
    """Appends a number to a name, before its ending: a/b.png -> a/b_2.png; number 1 is left out."""
    stem, dot, ending = name.rpartition(".")
    if number == 1:
        return name
    return f"{stem}_{number}.{ending}" if dot and "/" not in ending else f"{name}_{number}"


def shorten(name: str, added: int = 0) -> str:
    """Returns a name (not a path) of at most MOST_BYTES - `added` bytes. A longer one is cut before its ending, and a
    digest of the whole name is appended, so that two names stay different."""
    if len(os.fsencode(name)) + added <= MOST_BYTES:
        return name
    ending = Path(name).suffix if len(os.fsencode(Path(name).suffix)) <= 20 else ""
    digest = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    beginning, room = name.removesuffix(ending), MOST_BYTES - added - len(os.fsencode(digest + ending))
    while len(os.fsencode(beginning)) > room:
        beginning = beginning[:-1]
    return f"{beginning}{digest}{ending}"


def folder_of_class(name: str) -> str:
    """Returns the name of the folder of a class: the class's own, in which no folder ends."""
    return shorten(name.replace("/", "_"))


def temporary_for(path: Path) -> Path:
    """Returns the path of a hidden file in the folder of `path`, which only this process uses."""
    ending = f".tmp-{os.getpid()}"
    return path.with_name(f".{shorten(path.name, added=1 + len(ending))}{ending}")
