"""Run directories at or below what was asked for, and what is there, or should be, without being one."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from saddlepoint.config.typed_paths import expanded
from saddlepoint.runs import reading
from saddlepoint.runs.record import Problem

SIGNS = {"environment.json", "status.json", "metrics.json"}  # any of these: the directory is, or was, a run
BEGUN = {"config.yaml", "checkpoints"}  # both: a run that died before it said anything
SWEEP = "summary.json"  # of a sweep: what became of each of its jobs


class Finder:
    def __init__(self, paths: Iterable[str | Path]):
        self.directories: set[Path] = set()  # of runs
        self.problems: list[Problem] = []
        self.empty: set[Path] = set()
        self.sweeps: set[Path] = set()
        for path in paths:
            self._look(expanded(str(path), "runs"), str(path))
        self._name_jobs_without_a_run()
        self.problems += [Problem("empty", f"{path} is empty: its run was refused, or never began", (path,))
                          for path in sorted(self.empty)]

    def _look(self, path: Path, asked: str) -> None:
        found = [path] if path.exists() else [Path(each) for each in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        if not found:
            self.problems.append(Problem("missing", f"{asked} does not exist", (path,)))
        for each in found:
            if each.is_dir():
                self._walk(each)
            elif path == each:  # a glob may meet files, e.g. summary.json
                self.problems.append(Problem("missing", f"{asked} is a file, not the directory of a run", (path,)))

    def _walk(self, top: Path) -> None:
        for folder, inner, files in os.walk(top.resolve(), onerror=self._cannot_look):
            inner.sort()
            path = Path(folder)
            if SIGNS & set(files) or {*files, *inner} >= BEGUN:
                inner.clear()  # nothing in a run is another one
                self.directories.add(path)
            elif not inner and not files:
                self.empty.add(path)
            if SWEEP in files:
                self.sweeps.add(path)
            inner[:] = [name for name in inner if not name.startswith(".")]

    def _cannot_look(self, error: OSError) -> None:
        path = Path(error.filename)
        self.problems.append(Problem("unreadable", f"{path} cannot be looked into ({error.strerror})", (path,)))

    def _name_jobs_without_a_run(self) -> None:
        """A job that was refused has no directory, and is missing from the table all the same."""
        for sweep in sorted(self.sweeps):
            for job in reading.listed(sweep / SWEEP, "jobs"):
                name = Path(reading.text(job, "directory")).name or str(job.get("number"))
                path, state = sweep / name, reading.text(job, "state") or "unknown"
                if path not in self.directories:
                    self.empty.discard(path)
                    typed = job.get("differs") or job.get("overrides")
                    settings = " ".join(map(str, typed)) if isinstance(typed, list) else "settings not known"
                    reason = reading.text(job, "reason").strip().rstrip(".")
                    said = f"job {job.get('number')} of {sweep} ({settings}) left no run: {state}"
                    self.problems.append(Problem(state, f"{said}, {reason}" if reason else said, (path,)))
