"""A sweep from its jobs to its summary: what is missing runs, and the end says whether anything still is."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock

from saddlepoint.config import spelling
from saddlepoint.errors import EndOfRun, RunDirectoryInUse, Stopped
from saddlepoint.files.json_files import now, read_json
from saddlepoint.files.outputs import require_writable
from saddlepoint.sweeps.display import Lines, LiveTable, counts
from saddlepoint.sweeps.jobs import ENDED, Job, name_of
from saddlepoint.sweeps.run_files import RunFiles
from saddlepoint.sweeps.runner import Limits, Runner
from saddlepoint.sweeps.summary import Summary, table


class SweepIncomplete(EndOfRun):
    """Some job is not completed."""


@dataclass(frozen=True)
class Request:
    """What all jobs of a sweep share"""

    directory: Path
    program: Sequence[str]  # what each runs, before its own settings: python -m saddlepoint.commands.train
    called: Sequence[str]  # the same as it is shown to the user: python train.py
    shared: Sequence[str]  # settings and flags added to its own
    places: Sequence[Mapping[str, str]]  # one for each job at a time: additions to its environment
    limits: Limits
    again: Sequence[str]  # ends after which a job runs again when the sweep does
    typed: Sequence[str]  # the sweep's own line, without the program
    write_page: Callable[[Path], Path | None]  # directory of the sweep -> the page that compares its runs, if any

    def command(self, job: Job) -> list[str]:
        own = {name(override) for override in job.overrides}
        shared = [each for each in self.shared if name(each) not in own]
        resume = ["resume=auto"] if Path(job.directory).exists() else []
        return [*self.program, *job.overrides, f"run.dir={job.directory}", *resume, *shared]

    @property
    def line(self) -> str:
        """To type for the same directory once more"""
        kept = [argument for argument in self.typed if name(argument) != "hydra.sweep.dir"]
        return spelling.line([*self.called, *kept, f"hydra.sweep.dir={self.directory}"])


def name(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def sweep(request: Request, wanted: Sequence[Sequence[str]]) -> tuple[list[Job], EndOfRun | None]:
    """-> a job for each list of overrides, and the end to report if any of them is not completed"""
    with locked(request.directory):
        summary = Summary(request.directory, request.line)
        asked_for = summary.taken_up(wanted)
        jobs = list({job.number: job for job in asked_for}.values())
        missing = [job for job in jobs if is_missing(job, request.again)]
        if len(missing) < len(jobs):
            stand = len(jobs) - len(missing)
            print(f"{stand} of {len(jobs)} jobs have ended in {request.directory} before", file=sys.stderr)
        for job in missing:
            job.state, job.reason = "waiting", ""
        watching = Watching(summary, jobs)
        try:
            stopped_by = Runner(request.command, request.places, request.limits, watching).run(missing)
        finally:
            watching.close()
        end = end_of(jobs, request, summary.path, stopped_by)
        try:
            summary.save(ended=now(), exit_code=end.exit_code if end else 0)
        finally:
            print(table(jobs), flush=True)
        page = request.write_page(request.directory)
    if page:
        print(f"The same with curves and pictures: {page}")
    if not end:
        print(f"{counts(jobs)}: {summary.path}")
    return asked_for, end


def is_missing(job: Job, again: Sequence[str]) -> bool:
    """Whether it has to run; the last sweep here may have died before it could note an end."""
    status = read_json(Path(job.directory) / "status.json") or {}
    is_complete = status.get("state") == "completed" and job.starts > 0
    if is_complete and job.state != "completed":
        job.state, job.reason = "completed", ""
        RunFiles(job).conclude(status)
    if job.state == "completed":
        return not is_complete
    return job.state not in ENDED or job.state in again


def end_of(jobs: Sequence[Job], request: Request, summary: Path, stopped_by: signal.Signals | None) -> EndOfRun | None:
    """None if all are completed; else what is left to say, the line to type last"""
    incomplete = [job for job in jobs if job.state != "completed"]
    if not incomplete and not stopped_by:
        return None
    message = f"{counts(jobs)}: {summary}"
    if any(job.state in ("waiting", *request.again) for job in incomplete):
        message += f"\nTo run what is missing:\n  {request.line}"
    elif incomplete:
        states = ",".join(sorted({job.state for job in incomplete}))
        again = spelling.word(f"hydra.launcher.again=[{states}]")
        message += f"\nThese ends stand, as another start would meet them again. To try:\n  {request.line} {again}"
    if stopped_by:
        return Stopped(f"Stopped by {name_of(stopped_by)}. {message}", 130 if stopped_by == signal.SIGINT else 143)
    return SweepIncomplete(message)


class Watching:
    """The summary follows each change, the screen the numbers as well."""

    def __init__(self, summary: Summary, jobs: Sequence[Job]):
        self.summary = summary
        self.shown = (LiveTable if sys.stderr.isatty() else Lines)(jobs, sys.stderr)

    def changed(self, job: Job) -> None:
        with suppress(OSError):  # a full disk is said at the end; the jobs that run shall end before
            self.summary.save()
        with suppress(OSError):  # nobody reads any more
            self.shown.changed(job)

    def looked(self) -> None:
        with suppress(OSError):
            self.shown.looked()

    def close(self) -> None:
        with suppress(OSError):
            self.shown.close()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Two sweeps in one directory would run the same jobs."""
    require_writable(directory / ".lock", f"hydra.sweep.dir={directory}")
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise RunDirectoryInUse(f"hydra.sweep.dir={directory} is in use by another sweep: wait for it or choose "
                                "another directory") from error
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
