"""One start of a job: a process in a session of its own, so that what it started can be ended with it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from saddlepoint.files.json_files import now, read_json, write_json
from saddlepoint.sweeps.jobs import Job, judged
from saddlepoint.sweeps.run_files import RunFiles

LAST_WORDS = 65536  # bytes of a log that are looked at


class Process:
    def __init__(self, job: Job, command: Sequence[str], environment: Mapping[str, str]):
        self.job, self.files = job, RunFiles(job)
        self.status_before = self._status_stamp()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            self.log_begins = log.tell()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"})
        self.started = self.progressed = self.counted = time.monotonic()
        self.asked: tuple[str, str] | None = None  # the state and reason for which it was asked to end
        self.killed_at = float("inf")
        job.starts += 1
        job.state, job.reason, job.exit_code = "running", "", None

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def look(self) -> bool:
        """-> whether there was progress"""
        now = time.monotonic()
        self.job.seconds, self.counted = self.job.seconds + now - self.counted, now
        is_further = self.files.refresh()
        if is_further:
            self.progressed = now
        return is_further

    def ask_to_end(self, number: int, grace_seconds: float, state: str, reason: str) -> None:
        """`grace_seconds`: for its checkpoint; then it is killed"""
        self.asked = (state, reason)
        self.killed_at = time.monotonic() + grace_seconds
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """With all that it started"""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def conclude(self) -> None:
        """What became of it, once it is over; nothing that it started is left behind."""
        self.kill()
        self.job.exit_code = self.process.wait()
        self.look()
        status = self._own_status()
        self.files.conclude(status)
        said = last_words(self.job, self.log_begins)
        self.job.state, self.job.reason = judged(self.job.exit_code, said, status, self.asked)
        unsaid = status.get("state") == "running" and self.job.state in ("killed", "hung", "stopped")
        if unsaid or self.job.state == "pruned":
            self._say_for_it(status)

    def _say_for_it(self, status: Mapping[str, Any]) -> None:
        """It had no time to note its end, and whoever finds the run should not wait for it; or it does not know why."""
        state = "stopped" if self.job.state in ("stopped", "pruned") else "failed"
        reason = f"pruned: {self.job.reason}" if self.job.state == "pruned" else self.job.reason
        end = {"state": state, "reason": reason, "images_seen": self.job.images_seen, "ended": now()}
        with suppress(OSError):  # the summary says it too
            write_json(self.files.path / "status.json", {**status, **end})

    def _own_status(self) -> dict:
        """Not that of an earlier start, unless it is complete already and so had nothing to do"""
        status = read_json(self.files.path / "status.json") or {}
        if status.get("state") == "completed" or self._status_stamp() != self.status_before:
            return status
        return {}

    def _status_stamp(self) -> tuple | None:
        return self.files.signs()[0]


def last_words(job: Job, begin: int = 0) -> list[str]:
    """The last lines of a job's log; `begin`: bytes of earlier starts"""
    try:
        with job.log.open("rb") as log:
            log.seek(max(begin, log.seek(0, 2) - LAST_WORDS))
            return log.read().decode(errors="replace").splitlines()
    except OSError:
        return []
