"""A sweep while it runs: a table that is drawn anew on a terminal, a line for each beginning and end elsewhere."""

import shutil
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from saddlepoint.sweeps.jobs import STATES, Job

ORDER = ("running", "failed", "killed", "hung", "diverged", "refused", "stopped", "pruned", "waiting", "completed")
HEADER = ("job", "state", "images", "images/s", "score", "time", "left", "settings")
NUMBERS = ("job", "images", "images/s", "time", "left")  # columns that end at the same place
UP_AND_CLEAR = "\x1b[{}F\x1b[J"  # to the beginning of a line so many lines above, and everything below it goes


class Lines:
    """For a log. `total`: where jobs are still to be added"""

    def __init__(self, jobs: Sequence[Job], stream: TextIO, total: int = 0):
        self.jobs, self.stream, self.total = jobs, stream, total

    def changed(self, job: Job) -> None:
        over = sum(each.state not in ("waiting", "running") for each in self.jobs)
        numbers = ", ".join(filter(None, (_images(job), _rate(job), _score(job)))) if job.images_seen else ""
        said = ": ".join(filter(None, (f"job {job.number} ({job.settings}) {job.state}", job.reason, numbers)))
        print(f"{over} of {max(self.total, len(self.jobs))} over, {said}", file=self.stream, flush=True)

    def looked(self) -> None: ...

    def close(self) -> None: ...


class LiveTable:
    """For a terminal: never more lines than it has, so that it can be drawn over"""

    def __init__(self, jobs: Sequence[Job], stream: TextIO):
        self.jobs, self.stream, self.lines = jobs, stream, 0

    def changed(self, job: Job) -> None:
        self.looked()

    def looked(self) -> None:
        columns, rows = shutil.get_terminal_size()
        lines = [line[:columns - 1] for line in live_lines(self.jobs, max(1, rows - 4))]
        up = UP_AND_CLEAR.format(self.lines) if self.lines else ""
        self.stream.write(up + "".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self.lines = len(lines)

    def close(self) -> None:
        """The summary takes its place."""
        if self.lines:
            self.stream.write(UP_AND_CLEAR.format(self.lines))
            self.stream.flush()
        self.lines = 0


def live_lines(jobs: Sequence[Job], most: int) -> list[str]:
    shown = sorted(jobs, key=lambda job: (ORDER.index(job.state), job.number))
    left = f"and {len(shown) - most} more" if len(shown) > most else ""
    return [counts(jobs), *aligned([HEADER, *map(cells, shown[:most])]), *filter(None, [left])]


def counts(jobs: Sequence[Job]) -> str:
    """e.g. 12 jobs: 1 running, 9 completed, 2 failed"""
    found = Counter(job.state for job in jobs)
    each = ", ".join(f"{found[state]} {state}" for state in STATES if found[state])
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {each}"


def cells(job: Job) -> tuple[str, ...]:
    return (str(job.number), job.state, f"{job.images_seen:,}" if job.images_seen else "", _rate(job)[:-9],
            _score(job), clock(job.seconds), clock(job.seconds_left), job.settings)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first row holds the names of the columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) if name in NUMBERS else cell.ljust(width)
                      for name, cell, width in zip(rows[0], row, widths, strict=True)).rstrip() for row in rows]


def clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _images(job: Job) -> str:
    return f"{job.images_seen:,} images"


def _rate(job: Job) -> str:
    return f"{job.images_per_second:,.0f} images/s" if job.images_per_second else ""


def _score(job: Job) -> str:
    return f"{job.score['name']} {job.score['value']:.4g}" if job.score else ""
