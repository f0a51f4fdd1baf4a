"""Writes curves: rows of metrics.csv, to which several callbacks write, and points in the loggers."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytorch_lightning as pl

from saddlepoint.files import disk_space
from saddlepoint.training.loggers import adapters


def add_points(trainer: pl.Trainer, images_seen: int, curves: Mapping[str, float]) -> None:
    """Adds a point to each of these curves (name -> value), in the first process; of no curves it writes nothing."""
    if curves and trainer.is_global_zero:
        Table(Path(trainer.default_root_dir) / "metrics.csv").add({"images_seen": images_seen, **curves})
        adapters.log_curves(trainer.loggers, curves, images_seen)


class Table:
    """A CSV file that grows row by row. A column that is new is added to the header; cells without a value are
    empty."""

    def __init__(self, path: Path):
        self.path = path

    def add(self, row: dict[str, float]) -> None:
        """Appends a row (column -> value), with its new columns."""
        columns = self.columns()
        new = [name for name in row if name not in columns]
        with disk_space.report_full_disk(self.path):
            if new:
                columns += new
                self._widen(columns)
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, columns).writerow(row)

    def columns(self) -> list[str]:
        """Returns the columns in the file's header, as another callback may have added some."""
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])

    def _widen(self, columns: list[str]) -> None:
        """Rewrites the file with more columns."""
        rows: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        temporary.replace(self.path)
