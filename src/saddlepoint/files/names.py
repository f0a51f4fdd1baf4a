"""Makes file names that every file system takes and keeps apart. Imports no torch.

Some file systems take A.png and a.png, or é in one letter and in two, for one name; most allow 255 bytes."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path, PurePath

MOST_BYTES = 255


def composed(name: str) -> str:
    """Returns a text with accents composed, as most systems write names; macOS writes accents apart."""
    return unicodedata.normalize("NFC", name)


def folded(path: PurePath | str) -> str:
    """Returns the same text for all names that some file system takes for one."""
    return composed(composed(str(path)).casefold())


def distinct(names: Sequence[str], instead: Sequence[str], reserved: Iterable[str] = ()) -> list[str]:
    """Returns names of which no file system takes two, or one and a name of `reserved`, for the same. A name stays
    as it is where it can, else becomes the one of `instead` if that tells it from the others, else gets a number."""
    taken = set(map(folded, reserved))
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(folded(name), []).append(place)
    crowded = {name for name, places in groups.items() if len(places) > 1 or name in taken}
    chosen = dict.fromkeys(range(len(names)), "")
    for name, places in sorted(groups.items(), key=lambda group: group[0] in crowded):  # those nobody else wants first
        longer = Counter(folded(instead[place]) for place in places)
        for place in places:
            tells = name in crowded and longer[folded(instead[place])] == 1
            preferred = instead[place] if tells else names[place]
            chosen[place] = next(each for n in count(1) if folded(each := numbered(preferred, n)) not in taken)
            taken.add(folded(chosen[place]))
    return [*chosen.values()]


def numbered(name: str, number: int) -> str:
    """Returns the name with a number before its ending: a/b.png -> a/b_2.png; the first gets no number."""
    stem, dot, ending = name.rpartition(".")
    if number == 1:
        return name
    return f"{stem}_{number}.{ending}" if dot and "/" not in ending else f"{name}_{number}"


def shortened(name: str, added: int = 0) -> str:
    """Returns a name (no path) of at most MOST_BYTES bytes, less `added` for what follows it. What is cut off
    becomes a digest of the whole name."""
    if len(os.fsencode(name)) + added <= MOST_BYTES:
        return name
    ending = Path(name).suffix if len(os.fsencode(Path(name).suffix)) <= 20 else ""
    digest = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    beginning, room = name.removesuffix(ending), MOST_BYTES - added - len(os.fsencode(digest + ending))
    while len(os.fsencode(beginning)) > room:
        beginning = beginning[:-1]
    return f"{beginning}{digest}{ending}"


def temporary_for(path: Path) -> Path:
    """Returns the path of a hidden file beside `path`, used by this process only, to be filled before it replaces
    `path`."""
    ending = f".tmp-{os.getpid()}"
    return path.with_name(f".{shortened(path.name, added=1 + len(ending))}{ending}")
