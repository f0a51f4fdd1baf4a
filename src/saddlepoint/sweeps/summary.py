"""What became of every job of a sweep: summary.json, and the same for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import now, read_json, write_json
from saddlepoint.sweeps.display import aligned, cells
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.naming import directory_name, setting
from saddlepoint.sweeps.process import last_words

LAST_LINES = 5  # of what a failed job said
COLUMNS = ("job", "state", "images", "images/s", "score", "time", "settings")


class Summary:
    """Of a sweep's directory, whichever lines have been run there. `jobs`: all of them, by number"""

    def __init__(self, directory: Path, command: str):
        self.directory, self.path, self.command = directory, directory / "summary.json", command
        content = read_json(self.path) if self.path.exists() else {"jobs": []}
        try:
            self.jobs = [Job(**job) for job in content["jobs"]]
        except (TypeError, KeyError) as error:  # None, or another version's
            raise RequestError(f"hydra.sweep.dir={directory} holds a summary.json that cannot be read ({error}): mend "
                               "it, or choose another directory") from error
        self.started = content.get("started", now())

    def taken_up(self, wanted: Sequence[Sequence[str]]) -> list[Job]:
        """-> a job for each, one that stands here already if its overrides are the same, whatever its number then"""
        known = {tuple(sorted(job.overrides)): job for job in self.jobs}
        number = max((job.number for job in self.jobs), default=-1)
        asked_for = []
        for overrides in wanted:
            key = tuple(sorted(overrides))
            if key not in known:
                number += 1
                known[key] = Job(number, list(overrides), directory="")
                self.jobs.append(known[key])
            asked_for.append(known[key])
        common = set.intersection(*(set(job.overrides) for job in self.jobs)) if self.jobs else set()
        names = {setting(override) for job in self.jobs for override in job.overrides}
        for job in self.jobs:
            job.differs = [override for override in job.overrides if override not in common]
            name = Path(job.directory).name or directory_name(job.number, job.differs or job.overrides, names)
            job.directory = str(self.directory / name)  # the sweep may have been moved, and names stay as it grows
        return asked_for

    def save(self, **more: Any) -> None:
        """`more`: how the sweep ended"""
        write_json(self.path, {"command": self.command, "started": self.started, "ended": None, "exit_code": None,
                               **more, "jobs": [job.as_json() for job in self.jobs]})


def table(jobs: Sequence[Job]) -> str:
    rows = [COLUMNS, *(cells(job)[:6] + cells(job)[7:] for job in jobs)]
    complaints = [line for job in jobs if job.state not in ("completed", "waiting") for line in complaint(job)]
    return "\n".join([*aligned(rows), *complaints])


def complaint(job: Job) -> list[str]:
    """Why a job is not complete, and its last words where those say more"""
    lines = [f"job {job.number} ({job.settings}) {job.state}: {job.reason}"]
    if job.state != "refused":
        words = [line for line in last_words(job) if line.strip()][-LAST_LINES:]
        lines += [f"    {line}" for line in words if line.strip() != job.reason]
    return [*lines, f"    {job.log} has all that it said"]
