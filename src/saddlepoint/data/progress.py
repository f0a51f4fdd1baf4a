"""Shows how far the reading of many files has come."""

import sys
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from saddlepoint.progress.bars import make_bar

LINE_SECONDS = 10.0  # between two lines of progress, where there is no terminal
Item = TypeVar("Item")


def with_progress(items: Collection[Item], title: str, each: int = 1) -> Iterator[Item]:
    """Yields the items and shows on stderr how many files are done: a bar on a terminal and in a notebook, else a line
    every 10 seconds.
    `each`: how many files an item is, the last perhaps fewer."""
    time_of_line = time.monotonic()
    with make_bar(total=len(items) * each, desc=title, unit=" files", unit_scale=True, delay=1, leave=False) as bar:
        for number, item in enumerate(items, start=1):
            yield item
            bar.update(each)
            if bar.disable and time.monotonic() - time_of_line >= LINE_SECONDS:
                time_of_line = time.monotonic()
                print(f"{title}: {number * each:,} of {len(items) * each:,}", file=sys.stderr, flush=True)
