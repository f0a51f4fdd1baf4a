"""How far a run is, read from its files while it goes on. Nothing is read twice that has not changed."""

import csv
import math
from pathlib import Path
from typing import Any

from saddlepoint.files.json_files import read_json
from saddlepoint.runs.reading import Unreadable, count, mapping, read_settings
from saddlepoint.sweeps.jobs import Job

TAIL = 65536  # bytes of metrics.csv that are looked at: some hundred rows


class RunFiles:
    """Brings a job's images, rate and score up to date."""

    def __init__(self, job: Job):
        self.job, self.path = job, Path(job.directory)
        self.seen = self.signs()

    def signs(self) -> tuple:
        """Equal as long as the run makes no progress: places, sizes and times of what it writes as it goes on"""
        files = [self.path / "status.json", self.path / "metrics.csv", *sorted(self.path.glob("checkpoints/*.ckpt"))]
        return tuple(map(_stamp, files))

    def refresh(self) -> bool:
        """-> whether there was progress"""
        signs = self.signs()
        if signs == self.seen:
            return False
        self.seen = signs
        self.job.budget_images = self.job.budget_images or self._budget()
        columns, rows = _tail(self.path / "metrics.csv")
        for row in rows:
            self._take(dict(zip(columns, row, strict=True)))
        return True

    def conclude(self, status: dict[str, Any]) -> None:
        """After its end: the numbers that the run itself concluded with"""
        self.refresh()
        if status.get("state") in ("completed", "stopped", "diverged", "failed"):
            self.job.images_seen = status.get("images_seen") or self.job.images_seen
        if status.get("state") == "completed":
            cost = (read_json(self.path / "metrics.json") or {}).get("cost", {})
            self.job.images_per_second = cost.get("images_per_second", self.job.images_per_second)

    def _budget(self) -> int | None:
        try:
            return count(mapping(read_settings(self.path / "config.yaml"), "budget"), "images")
        except Unreadable:
            return None

    def _take(self, row: dict[str, str]) -> None:
        try:
            self.job.images_seen = int(row["images_seen"])
            if row.get("throughput/images_per_second"):
                self.job.images_per_second = float(row["throughput/images_per_second"])
            score = next((name for name in row if name.startswith("quality/") and row[name]), None)
            if score and math.isfinite(float(row[score])):
                self.job.score = {"name": score.removeprefix("quality/"), "value": float(row[score])}
        except (KeyError, ValueError):  # a line that is being written
            return


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tail(table: Path) -> tuple[list[str], list[list[str]]]:
    """The columns and the last rows, without one that is being written"""
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
