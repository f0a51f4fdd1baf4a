"""Starts a job as a process in a session of its own, so that all processes it starts can be ended with it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

from saddlepoint.files.json_files import read_json
from saddlepoint.sweeps.jobs import Job, outcome
from saddlepoint.sweeps.run_files import RunFiles

LOG_TAIL = 65536  # bytes of a log that are read, from its end


def start(command: Sequence[str], environment: Mapping[str, str], log: BinaryIO) -> subprocess.Popen:
    """Starts a command in a session of its own, with nothing to read; all it prints goes to `log`."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                            start_new_session=True, env=environment)


class Process:
    """One start of a job. Making it starts `command` with additions to the environment; output goes to the job's
    log."""

    def __init__(self, job: Job, command: Sequence[str], environment: Mapping[str, str]):
        self.job, self.files = job, RunFiles(job)
        self.status_before = self._status_stamp()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            self.log_begins = log.tell()
            self.process = start(command, {**os.environ, **environment, "PYTHONUNBUFFERED": "1",
                                           "PYTHONIOENCODING": "utf-8"}, log)
        self.started = self.progressed = self.counted = time.monotonic()
        self.request_to_end: tuple[str, str] | None = None  # the state and reason for which it was asked to end
        self.kill_at = float("inf")  # by the clock time.monotonic
        job.starts += 1
        job.state, job.reason, job.exit_code = "running", "", None

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def refresh(self) -> bool:
        """Updates the job's time and numbers and returns whether there was progress."""
        now = time.monotonic()
        self.job.seconds, self.counted = self.job.seconds + now - self.counted, now
        progress = self.files.refresh()
        if progress:
            self.progressed = now
        return progress

    def ask_to_end(self, number: int, grace_seconds: float, state: str, reason: str) -> None:
        """Sends the signal `number`; the process is to be killed `grace_seconds` later, so that it can write a
        checkpoint before. `state` and `reason` are those in which the job will have ended."""
        self.request_to_end = (state, reason)
        self.kill_at = time.monotonic() + grace_seconds
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kills the process and all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def conclude(self) -> None:
        """Sets the job's state, reason and last numbers after its process has ended, and kills what that left
        running."""
        self.kill()
        self.job.exit_code = self.process.wait()
        self.refresh()
        status = self._own_status()
        self.files.conclude(status)
        output = last_lines(self.job, self.log_begins)
        self.job.state, self.job.reason = outcome(self.job.exit_code, output, status, self.request_to_end)
        has_no_end = status.get("state") == "running" and self.job.state in ("killed", "hung", "stopped")
        if has_no_end or self.job.state == "pruned":
            self.files.write_end(status)

    def _own_status(self) -> dict:
        """Returns the status.json that this start wrote, or that of a run which an earlier start has completed; else
        {}."""
        status = read_json(self.files.path / "status.json") or {}
        if status.get("state") == "completed" or self._status_stamp() != self.status_before:
            return status
        return {}

    def _status_stamp(self) -> tuple | None:
        return self.files.stamps()[0]


def last_lines(job: Job, begin: int = 0) -> list[str]:
    """Returns the last lines of a job's log, LOG_TAIL bytes at most; the first `begin` bytes are of earlier starts and
    are left out."""
    try:
        with job.log.open("rb") as log:
            log.seek(max(begin, log.seek(0, 2) - LOG_TAIL))
            return log.read().decode(errors="replace").splitlines()
    except OSError:
        return []
