"""How far a pass of images is: a bar on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm

from saddlepoint.metrics.images import Blocks
from saddlepoint.parallel.collectives import place

LINE_SECONDS = 10


def watched(blocks: Blocks, count: int, title: str) -> Blocks:
    """The same blocks; says on stderr how many of `count` images are done, images/s and the time left."""
    rank, num_processes = place()
    share = count // num_processes
    on_terminal = sys.stderr.isatty()
    said, started, done = time.perf_counter(), time.perf_counter(), 0
    with tqdm(total=share, desc=title, unit=" images", unit_scale=True, dynamic_ncols=True,
              disable=not on_terminal or rank > 0) as bar:
        for first, block in blocks:
            yield first, block
            done += len(block.images)
            bar.update(len(block.images))
            now = time.perf_counter()
            if not on_terminal and rank == 0 and now - said >= LINE_SECONDS:
                rate, said = done / (now - started), now
                left = tqdm.format_interval(max(share - done, 0) / rate)
                print(f"{title}: {done:,} of {share:,}, {rate:,.0f} images/s, {left} left", file=sys.stderr, flush=True)
