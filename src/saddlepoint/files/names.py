"""Names of files that a file system takes and that stay apart. Imports no torch.

File systems differ: some take A.png and a.png, or é in one letter and in two, for one name; most take 255 bytes.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path, PurePath

MOST_BYTES = 255


def composed(name: str) -> str:
    """As most systems write names; macOS writes accents apart"""
    return unicodedata.normalize("NFC", name)


def folded(path: PurePath | str) -> str:
    """The same for all that some file system takes for one name"""
    return composed(composed(str(path)).casefold())


def distinct(names: Sequence[str], instead: Sequence[str], reserved: Iterable[str] = ()) -> list[str]:
    """Each as it is where no other and none of `reserved` is folded to the same, else the one of `instead` if that
    tells it from those others, else with a number."""
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
            wanted = instead[place] if tells else names[place]
            chosen[place] = next(each for number in count(1) if folded(each := numbered(wanted, number)) not in taken)
            taken.add(folded(chosen[place]))
    return [*chosen.values()]


def numbered(name: str, number: int) -> str:
    """a/b.png -> a/b_2.png; the first has no number"""
    stem, dot, ending = name.rpartition(".")
    if number == 1:
        return name
    return f"{stem}_{number}.{ending}" if dot and "/" not in ending else f"{name}_{number}"


def shortened(name: str, added: int = 0) -> str:
    """A name (no path) of at most MOST_BYTES bytes, with `added` more to come: the rest becomes a digest of it all."""
    if len(os.fsencode(name)) + added <= MOST_BYTES:
        return name
    ending = Path(name).suffix if len(os.fsencode(Path(name).suffix)) <= 20 else ""
    digest = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    kept, room = name.removesuffix(ending), MOST_BYTES - added - len(os.fsencode(digest + ending))
    while len(os.fsencode(kept)) > room:
        kept = kept[:-1]
    return f"{kept}{digest}{ending}"


def temporary_for(path: Path) -> Path:
    """A hidden file beside `path`, of this process, to be filled before it takes the place of `path`"""
    ending = f".tmp-{os.getpid()}"
    return path.with_name(f".{shortened(path.name, added=1 + len(ending))}{ending}")
