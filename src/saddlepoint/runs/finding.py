"""Finds run directories at or below given paths, and reports what cannot be used as a run."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from saddlepoint.config.typed_paths import expanded
from saddlepoint.runs import reading
from saddlepoint.runs.record import Problem

SIGNS = {"environment.json", "status.json", "metrics.json"}  # a directory with any of these is a run
BEGUN = {"config.yaml", "checkpoints"}  # with both of these too: a run that died before it wrote one of the above
SWEEP = "summary.json"  # file of a sweep that says how each of its jobs ended


class Finder:
    """The run directories at or below `paths` (directories and globs), found when it is made, and the problems met."""

    def __init__(self, paths: Iterable[str | Path]):
        self.directories: set[Path] = set()  # of runs
        self.problems: list[Problem] = []
        self.empty: set[Path] = set()
        self.sweeps: set[Path] = set()
        for path in paths:
            self._search(expanded(str(path), "runs"), str(path))
        self._report_jobs_without_a_run()
        self.problems += [Problem("empty", f"{path} is empty: its run was refused, or never began", (path,))
                          for path in sorted(self.empty)]

    def _search(self, path: Path, typed: str) -> None:
        matches = [path] if path.exists() else [Path(each) for each in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        if not matches:
            self.problems.append(Problem("missing", f"{typed} does not exist", (path,)))
        for match in matches:
            if match.is_dir():
                self._walk(match)
            elif path == match:  # a glob may match files, e.g. summary.json
                self.problems.append(Problem("missing", f"{typed} is a file, not the directory of a run", (path,)))

    def _walk(self, top: Path) -> None:
        for folder, inner, files in os.walk(top.resolve(), onerror=self._report_unreadable):
            inner.sort()
            path = Path(folder)
            if SIGNS & set(files) or {*files, *inner} >= BEGUN:
                inner.clear()  # a run holds no other runs
                self.directories.add(path)
            elif not inner and not files:
                self.empty.add(path)
            if SWEEP in files:
                self.sweeps.add(path)
            inner[:] = [name for name in inner if not name.startswith(".")]

    def _report_unreadable(self, error: OSError) -> None:
        path = Path(error.filename)
        self.problems.append(Problem("unreadable", f"{path} cannot be looked into ({error.strerror})", (path,)))

    def _report_jobs_without_a_run(self) -> None:
        """Adds a problem for each job of a sweep that left no run, e.g. because it was refused, since a table of the
        sweep lacks it."""
        for sweep in sorted(self.sweeps):
            for job in reading.read_list(sweep / SWEEP, "jobs"):
                name = Path(reading.text(job, "directory")).name or str(job.get("number"))
                path, state = sweep / name, reading.text(job, "state") or "unknown"
                if path not in self.directories:
                    self.empty.discard(path)
                    overrides = job.get("differs") or job.get("overrides")
                    settings = " ".join(map(str, overrides)) if isinstance(overrides, list) else "settings not known"
                    reason = reading.text(job, "reason").strip().rstrip(".")
                    sentence = f"job {job.get('number')} of {sweep} ({settings}) left no run: {state}"
                    self.problems.append(Problem(state, f"{sentence}, {reason}" if reason else sentence, (path,)))
