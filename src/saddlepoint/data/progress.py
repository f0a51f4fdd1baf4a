"""How far a walk over many files is: a bar on a terminal, a line of text now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LINE_SECONDS = 10.0


def counted(items: Iterable[Item] | Sized, title: str) -> Iterator[Item]:
    """The same items; says on stderr how many of them are done, once that takes longer than a moment."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=title, unit=" files", unit_scale=True, dynamic_ncols=True, delay=1, leave=False)
        return
    said = time.monotonic()
    for number, item in enumerate(items):
        yield item
        if time.monotonic() - said >= LINE_SECONDS:
            said = time.monotonic()
            print(f"{title}: {number + 1:,} of {len(items):,}", file=sys.stderr, flush=True)
