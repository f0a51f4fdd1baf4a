"""Keeps summary.json, which says how every job of a sweep ended, and prints the same as a table."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import now, read_json, write_json
from saddlepoint.sweeps.display import align, cells
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.naming import directory_name, setting
from saddlepoint.sweeps.process import last_lines

LAST_LINES = 5  # lines of a failed job's log that are printed
COLUMNS = ("job", "state", "images", "images/s", "score", "time", "settings")


class Summary:
    """The summary of a sweep's directory, with the jobs of all command lines that were run there, by number.

    `command` is the line to type to continue the sweep. An existing summary.json is read; a RequestError is raised if
    it cannot be.
    """

    def __init__(self, directory: Path, command: str):
        self.directory, self.path, self.command = directory, directory / "summary.json", command
        content = read_json(self.path) if self.path.exists() else {"jobs": []}
        try:
            self.jobs = [Job(**job) for job in content["jobs"]]
        except (TypeError, KeyError) as error:  # no JSON, or another version's
            raise RequestError(f"hydra.sweep.dir={directory} holds a summary.json that cannot be read ({error}): mend "
                               "it, or choose another directory") from error
        self.started = content.get("started", now())

    def take_up(self, override_lists: Sequence[Sequence[str]], anew: Container[str] = ()) -> list[Job]:
        """Returns a job for each list of overrides. A job of the summary that has the same overrides is used again,
        whatever its number; otherwise a new one is added. `anew`: states of jobs that are not used again"""
        known = {tuple(sorted(job.overrides)): job for job in self.jobs if job.state not in anew}
        number = max((job.number for job in self.jobs), default=-1)
        jobs = []
        for overrides in override_lists:
            key = tuple(sorted(overrides))
            if key not in known:
                number += 1
                known[key] = Job(number, list(overrides), directory="")
                self.jobs.append(known[key])
            jobs.append(known[key])
        common = set.intersection(*(set(job.overrides) for job in self.jobs)) if self.jobs else set()
        names = {setting(override) for job in self.jobs for override in job.overrides}
        for job in self.jobs:
            job.differs = [override for override in job.overrides if override not in common]
            name = Path(job.directory).name or directory_name(job.number, job.differs or job.overrides, names)
            # the folder may have been moved, but a job keeps its name when the sweep gets more jobs
            job.directory = str(self.directory / name)
        return jobs

    def save(self, **more: Any) -> None:
        """Writes summary.json. `more`: further entries, such as `ended` and `exit_code`."""
        write_json(self.path, {"command": self.command, "started": self.started, "ended": None, "exit_code": None,
                               **more, "jobs": [job.as_json() for job in self.jobs]})


def table(jobs: Sequence[Job]) -> str:
    """Returns a table of all jobs; below it stands for each incomplete one why it is so."""
    rows = [COLUMNS, *(cells(job)[:6] + cells(job)[7:] for job in jobs)]
    complaints = [line for job in jobs if job.state not in ("completed", "waiting") for line in complaint(job)]
    return "\n".join([*align(rows), *complaints])


def complaint(job: Job) -> list[str]:
    """Returns lines that say why a job is not complete: its reason, the end of its log if that says more, and where
    the log is."""
    lines = [f"job {job.number} ({job.settings}) {job.state}: {job.reason}"]
    if job.state != "refused":
        end = [line for line in last_lines(job) if line.strip()][-LAST_LINES:]
        lines += [f"    {line}" for line in end if line.strip() != job.reason]
    return [*lines, f"    {job.log} has all that it said"]
