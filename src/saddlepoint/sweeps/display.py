"""Shows a sweep while it runs: on a terminal a table that is drawn anew, in a log a line for each start and end."""

import shutil
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from saddlepoint.sweeps.jobs import STATES, Job

ORDER = ("running", "failed", "killed", "hung", "diverged", "refused", "stopped", "pruned", "waiting", "completed")
HEADER = ("job", "state", "images", "images/s", "score", "time", "left", "settings")
NUMBERS = ("job", "images", "images/s", "time", "left")  # columns that are set flush right
UP_AND_CLEAR = "\x1b[{}F\x1b[J"  # moves the cursor up so many lines and clears everything below


class Lines:
    """A line for each job that starts or ends, for a log. `total`: the number of jobs, if some are added later."""

    def __init__(self, jobs: Sequence[Job], stream: TextIO, total: int = 0):
        self.jobs, self.stream, self.total = jobs, stream, total

    def on_change(self, job: Job) -> None:
        over = sum(each.state not in ("waiting", "running") for each in self.jobs)
        numbers = ", ".join(filter(None, (_images(job), _rate(job), _score(job)))) if job.images_seen else ""
        parts = ": ".join(filter(None, (f"job {job.number} ({job.settings}) {job.state}", job.reason, numbers)))
        print(f"{over} of {max(self.total, len(self.jobs))} over, {parts}", file=self.stream, flush=True)

    def on_refresh(self) -> None: ...

    def close(self) -> None: ...


class LiveTable:
    """A table of jobs for a terminal. It never has more lines than the terminal, so that it can be drawn over."""

    def __init__(self, jobs: Sequence[Job], stream: TextIO):
        self.jobs, self.stream, self.lines = jobs, stream, 0

    def on_change(self, job: Job) -> None:
        self.on_refresh()

    def on_refresh(self) -> None:
        columns, rows = shutil.get_terminal_size()
        lines = [line[:columns - 1] for line in live_lines(self.jobs, max(1, rows - 4))]
        up = UP_AND_CLEAR.format(self.lines) if self.lines else ""
        self.stream.write(up + "".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self.lines = len(lines)

    def close(self) -> None:
        """Clears the table, since the summary takes its place."""
        if self.lines:
            self.stream.write(UP_AND_CLEAR.format(self.lines))
            self.stream.flush()
        self.lines = 0


def live_lines(jobs: Sequence[Job], limit: int) -> list[str]:
    """Returns the lines of the live table: counts, header, and `limit` jobs, those that run or failed first."""
    in_order = sorted(jobs, key=lambda job: (ORDER.index(job.state), job.number))
    rest = f"and {len(in_order) - limit} more" if len(in_order) > limit else ""
    return [counts(jobs), *align([HEADER, *map(cells, in_order[:limit])]), *filter(None, [rest])]


def counts(jobs: Sequence[Job]) -> str:
    """Returns how many jobs have which state, e.g. `12 jobs: 1 running, 9 completed, 2 failed`."""
    count_of = Counter(job.state for job in jobs)
    states = ", ".join(f"{count_of[state]} {state}" for state in STATES if count_of[state])
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {states}"


def cells(job: Job) -> tuple[str, ...]:
    """Returns a job's texts in the columns of HEADER."""
    return (str(job.number), job.state, f"{job.images_seen:,}" if job.images_seen else "", _rate(job)[:-9],
            _score(job), clock(job.seconds), clock(job.seconds_left), job.settings)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the rows as lines with aligned columns. The first row holds the names of the columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) if name in NUMBERS else cell.ljust(width)
                      for name, cell, width in zip(rows[0], row, widths, strict=True)).rstrip() for row in rows]


def clock(seconds: float | None) -> str:
    """Returns a duration as minutes:seconds or hours:minutes:seconds; empty for None."""
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
