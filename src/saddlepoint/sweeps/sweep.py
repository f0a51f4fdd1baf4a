"""Runs a sweep: starts the jobs that have not ended yet, writes the summary, and reports what is still missing."""

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
from saddlepoint.sweeps.jobs import ENDED, Job, signal_name
from saddlepoint.sweeps.naming import setting
from saddlepoint.sweeps.run_files import RunFiles
from saddlepoint.sweeps.runner import Limits, Runner
from saddlepoint.sweeps.summary import Summary, table


class SweepIncomplete(EndOfRun):
    """The end of a sweep of which some job is not completed."""


@dataclass(frozen=True)
class Request:
    """A request to run a sweep: what its jobs have in common, and how they are run."""

    directory: Path
    program: Sequence[str]  # begins each job's command: python -m saddlepoint.commands.train
    called: Sequence[str]  # the same as it is shown to the user: python train.py
    shared: Sequence[str]  # settings and flags that are added to each job's own
    places: Sequence[Mapping[str, str]]  # one for each job that may run at once: additions to its environment
    limits: Limits
    again: Sequence[str]  # states, e.g. failed: a job that ended so runs again when the sweep is continued
    typed: Sequence[str]  # the arguments of the sweep's own command line
    write_page: Callable[[Path], Path | None]  # directory of the sweep -> the page that compares its runs, or None
    place: str = "hydra.sweep.dir"  # the setting that names the directory
    repeats: str = "hydra.launcher.again"  # the one that has the states of `again`
    anew: Sequence[str] = ()  # states: a job that ended so is left as it is, and made once more in another directory

    def command(self, job: Job) -> list[str]:
        """Returns the command line of a job. A job that has a directory already resumes its run."""
        own = {setting(override) for override in job.overrides}
        shared = [each for each in self.shared if setting(each) not in own]
        resume = ["resume=auto"] if Path(job.directory).exists() else []
        return [*self.program, *job.overrides, f"run.dir={job.directory}", *resume, *shared]

    @property
    def line(self) -> str:
        """Returns the command line to type to continue the sweep in its directory."""
        arguments = [argument for argument in self.typed if setting(argument) != self.place]
        return spelling.line([*self.called, *arguments, f"{self.place}={self.directory}"])


def sweep(request: Request, override_lists: Sequence[Sequence[str]]) -> tuple[list[Job], EndOfRun | None]:
    """Runs the jobs that have not ended yet. Returns a job for each list of overrides, and the end to report to the
    user: None if all are completed."""
    with locking(request.directory, request.place):
        summary = Summary(request.directory, request.line)
        requested = summary.take_up(override_lists, request.anew)
        jobs = list({job.number: job for job in requested}.values())
        missing = [job for job in jobs if is_missing(job, request.again)]
        if len(missing) < len(jobs):
            ended = len(jobs) - len(missing)
            print(f"{ended} of {len(jobs)} jobs have ended in {request.directory} before", file=sys.stderr)
        for job in missing:
            job.state, job.reason = "waiting", ""
        watcher = SweepWatcher(summary, jobs)
        try:
            stopped_by = Runner(request.command, request.places, request.limits, watcher).run(missing)
        finally:
            watcher.close()
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
    return requested, end


def is_missing(job: Job, again: Sequence[str]) -> bool:
    """Returns whether a job has to run. A job whose run is completed is marked so, since the last sweep may have died
    before it could write that down."""
    status = read_json(Path(job.directory) / "status.json") or {}
    is_complete = status.get("state") == "completed" and job.starts > 0
    if is_complete and job.state != "completed":
        job.state, job.reason = "completed", ""
        RunFiles(job).conclude(status)
    if job.state == "completed":
        return not is_complete
    return job.state not in ENDED or job.state in again


def end_of(jobs: Sequence[Job], request: Request, summary: Path, stopped_by: signal.Signals | None) -> EndOfRun | None:
    """Returns None if all jobs are completed, else the end to report: how many ended how, and what to type."""
    incomplete = [job for job in jobs if job.state != "completed"]
    if not incomplete and not stopped_by:
        return None
    message = f"{counts(jobs)}: {summary}"
    if any(job.state in ("waiting", *request.again) for job in incomplete):
        message += f"\nTo run what is missing:\n  {request.line}"
    elif incomplete:
        states = ",".join(sorted({job.state for job in incomplete}))
        again = spelling.word(f"{request.repeats}=[{states}]")
        message += f"\nThese ends stand, as another start would meet them again. To try:\n  {request.line} {again}"
    if stopped_by:
        return Stopped(f"Stopped by {signal_name(stopped_by)}. {message}", 130 if stopped_by == signal.SIGINT else 143)
    return SweepIncomplete(message)


class SweepWatcher:
    """A watcher that saves the summary when a job starts or ends, and updates the display at each change."""

    def __init__(self, summary: Summary, jobs: Sequence[Job]):
        self.summary = summary
        self.display = (LiveTable if sys.stderr.isatty() else Lines)(jobs, sys.stderr)

    def on_change(self, job: Job) -> None:
        with suppress(OSError):  # a full disk is reported at the end, so that the running jobs can end first
            self.summary.save()
        with suppress(OSError):  # the reader of the stream has gone
            self.display.on_change(job)

    def on_refresh(self) -> None:
        with suppress(OSError):
            self.display.on_refresh()

    def close(self) -> None:
        with suppress(OSError):
            self.display.close()


@contextmanager
def locking(directory: Path, place: str = "hydra.sweep.dir") -> Iterator[None]:
    """Locks a sweep's directory, since two sweeps there would run the same jobs. Raises RunDirectoryInUse if it is
    locked, and a RequestError if it cannot be written to. `place`: the setting that names the directory"""
    require_writable(directory / ".lock", f"{place}={directory}")
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise RunDirectoryInUse(f"{place}={directory} is in use by another sweep: wait for it or choose "
                                "another directory") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # before others may lock it, as in RunDirectory.close
        lock.release()
