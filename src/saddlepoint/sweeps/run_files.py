"""Reads from a run's files, while it goes on, how far it is. Files that have not changed are not read again."""

import csv
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from saddlepoint.files.json_files import now, read_json, write_json
from saddlepoint.runs.reading import Unreadable, count, mapping, read_settings
from saddlepoint.sweeps.jobs import Job

TAIL = 65536  # bytes of metrics.csv that are read, from its end: some hundred rows


class RunFiles:
    """The files of a job's run, by which the job's images, rate and score are updated."""

    def __init__(self, job: Job):
        self.job, self.path = job, Path(job.directory)
        self.last_stamps: tuple | None = self.stamps()

    def stamps(self) -> tuple:
        """Returns numbers, sizes and times of the files that a run writes as it goes on; they are equal as long as it
        makes no progress. Those of status.json come first."""
        files = [self.path / "status.json", self.path / "metrics.csv", *sorted(self.path.glob("checkpoints/*.ckpt"))]
        return tuple(map(_stamp, files))

    def refresh(self) -> bool:
        """Updates the job from its files and returns whether there was progress."""
        stamps = self.stamps()
        if stamps == self.last_stamps:
            return False
        self.last_stamps = stamps
        self.job.budget_images = self.job.budget_images or self._budget()
        columns, rows = _read_tail(self.path / "metrics.csv")
        for row in rows:
            self._update(dict(zip(columns, row, strict=True)))
        return True

    def conclude(self, status: dict[str, Any]) -> None:
        """Updates the job, whose run has ended, to the numbers in the run's last files. `status`: its status.json."""
        self.last_stamps = None  # what was written before this process looked is read too
        self.refresh()
        if status.get("state") in ("completed", "stopped", "diverged", "failed"):
            self.job.images_seen = status.get("images_seen") or self.job.images_seen
        if status.get("state") == "completed":
            cost = (read_json(self.path / "metrics.json") or {}).get("cost", {})
            self.job.images_per_second = cost.get("images_per_second", self.job.images_per_second)

    def write_end(self, status: Mapping[str, Any]) -> None:
        """Writes the job's end into the run's status.json (`status`: its content) for a run that had no time to do so,
        since others would take it for running, and for a pruned one, which does not know the reason."""
        state = "stopped" if self.job.state in ("stopped", "pruned") else "failed"
        reason = f"pruned: {self.job.reason}" if self.job.state == "pruned" else self.job.reason
        end = {"state": state, "reason": reason, "images_seen": self.job.images_seen, "ended": now()}
        with suppress(OSError):  # the summary has it too
            write_json(self.path / "status.json", {**status, **end})

    def _budget(self) -> int | None:
        try:
            return count(mapping(read_settings(self.path / "config.yaml"), "budget"), "images")
        except Unreadable:
            return None

    def _update(self, row: dict[str, str]) -> None:
        try:
            self.job.images_seen = int(row["images_seen"])
            if row.get("throughput/images_per_second"):
                self.job.images_per_second = float(row["throughput/images_per_second"])
            score = next((name for name in row if name.startswith("quality/") and row[name]), None)
            if score and math.isfinite(float(row[score])):
                self.job.score = {"name": score.removeprefix("quality/"), "value": float(row[score])}
        except (KeyError, ValueError):  # the run is writing this line
            return


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _read_tail(table: Path) -> tuple[list[str], list[list[str]]]:
    """Returns the columns and the last rows of a table, without a row that is not whole yet; nothing if there is no
    table."""
    try:
        with table.open("rb") as file:
            columns = next(csv.reader([file.readline().decode(errors="replace")]), [])
            begin, end = file.tell(), file.seek(0, 2)
            file.seek(max(begin, end - TAIL))
            whole, _, _ = file.read().rpartition(b"\n")
    except OSError:
        return [], []
    lines = whole.decode(errors="replace").splitlines()
    rows = csv.reader(lines[1:] if end - TAIL > begin else lines)
    return columns, [row for row in rows if len(row) == len(columns)]
