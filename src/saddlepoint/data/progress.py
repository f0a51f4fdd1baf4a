"""Shows how far the reading of many files has come."""

import sys
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from tqdm import tqdm

LINE_SECONDS = 10.0  # between two lines of progress, where there is no terminal
Item = TypeVar("Item")


def with_progress(items: Collection[Item], title: str, each: int = 1) -> Iterator[Item]:
    """Yields the items and shows on stderr how many files are done: a bar on a terminal, else a line every 10 seconds.
    `each`: how many files an item is, the last perhaps fewer."""
    if sys.stderr.isatty():
        with tqdm(total=len(items) * each, desc=title, unit=" files", unit_scale=True, dynamic_ncols=True, delay=1,
                  leave=False) as bar:
            for item in items:
                yield item
                bar.update(each)
        return
    time_of_line = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - time_of_line >= LINE_SECONDS:
            time_of_line = time.monotonic()
            print(f"{title}: {number * each:,} of {len(items) * each:,}", file=sys.stderr, flush=True)
