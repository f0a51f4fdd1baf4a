"""Jobs as processes, some at once. What one of them does takes no other with it."""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from saddlepoint.sweeps.jobs import Job, name_of
from saddlepoint.sweeps.process import Process

GLANCE = 0.05  # seconds between two looks at the processes
READ = 1.0  # seconds between two looks at their files
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


@dataclass(frozen=True)
class Limits:
    hang_minutes: float | None = None  # without progress; None: for ever
    limit_minutes: float | None = None  # of one start of a job
    grace_seconds: float = 120  # for a checkpoint, when a job is asked to end; then it is killed


class Watcher(Protocol):
    def changed(self, job: Job) -> None:
        """A job began or ended."""

    def looked(self) -> None:
        """Numbers of the jobs that run are new."""


class Steering(Protocol):
    def next(self) -> Job | None:
        """A job that was not known before, now that there is a place for it"""

    def verdict(self, job: Job) -> str | None:
        """Why a job that made progress should end now, as pruned"""


class Unsteered:
    def next(self) -> None: ...

    def verdict(self, job: Job) -> None: ...


class Runner:
    """`command`: of a job, for this start of it. `places`: one for each job at a time, added to its environment."""

    def __init__(self, command: Callable[[Job], Sequence[str]], places: Sequence[Mapping[str, str]], limits: Limits,
                 watcher: Watcher, steering: Steering = Unsteered()):  # noqa: B008 it has no state
        self.command, self.limits, self.watcher, self.steering = command, limits, watcher, steering
        self.free = deque(range(len(places)))
        self.places = places
        self.running: dict[int, Process] = {}  # by place
        self.waiting: deque[Job] = deque()
        self.retried: set[int] = set()
        self.received: list[int] = []
        self.stopped_by: signal.Signals | None = None

    def run(self, jobs: Sequence[Job]) -> signal.Signals | None:
        """Until all have ended, or -> the signal that asked for an end before"""
        self.waiting.extend(jobs)
        with self._listening():
            try:
                self._run()
            finally:  # by an error of ours
                for process in self.running.values():
                    process.kill()
        return self.stopped_by

    def _run(self) -> None:
        read_at = 0.0
        while True:
            self._heed()
            self._begin_some()
            if not self.running and (self.stopped_by or not self.received):
                return
            self._collect()
            if time.monotonic() >= read_at:
                self._read()
                read_at = time.monotonic() + READ
            time.sleep(GLANCE)

    def _begin_some(self) -> None:
        while self.free and not self.received:
            job = self.waiting.popleft() if self.waiting else self.steering.next()
            if job is None:
                return
            place = self.free.popleft()
            try:
                self.running[place] = Process(job, self.command(job), self.places[place])
            except OSError as error:  # no memory for another process, no room for its log
                job.state, job.reason = "failed", f"cannot be started: {error}"
                self.free.append(place)
            self.watcher.changed(job)

    def _collect(self) -> None:
        for place, process in list(self.running.items()):
            if time.monotonic() >= process.killed_at:
                process.kill()
            if process.is_over:
                process.conclude()
                del self.running[place]
                self.free.append(place)
                self._once_more(process.job)
                self.watcher.changed(process.job)

    def _once_more(self, job: Job) -> None:
        """The machine killed it, perhaps for want of memory that another job has given back by now."""
        if job.state == "killed" and job.number not in self.retried and not self.stopped_by:
            self.retried.add(job.number)
            job.state, job.reason = "waiting", f"{job.reason}, goes on"
            self.waiting.appendleft(job)

    def _read(self) -> None:
        for process in self.running.values():
            is_further = process.look()
            asked_for = self._end_asked_for(process, is_further)
            if asked_for:
                process.ask_to_end(signal.SIGTERM, self.limits.grace_seconds, *asked_for)
        self.watcher.looked()

    def _end_asked_for(self, process: Process, is_further: bool) -> tuple[str, str] | None:
        """-> a state and its reason"""
        if process.asked or process.is_over:
            return None
        late = self._lateness(process)
        hopeless = self.steering.verdict(process.job) if is_further and not late else None
        return ("hung", late) if late else ("pruned", hopeless) if hopeless else None

    def _lateness(self, process: Process) -> str | None:
        now, limits = time.monotonic(), self.limits
        if limits.hang_minutes and now - process.progressed > 60 * limits.hang_minutes:
            return f"no progress for {limits.hang_minutes:g} minutes (hydra.launcher.hang_minutes)"
        if limits.limit_minutes and now - process.started > 60 * limits.limit_minutes:
            return f"not over after {limits.limit_minutes:g} minutes (hydra.launcher.limit_minutes)"
        return None

    def _heed(self) -> None:
        """The first signal is handed on, and what runs may write its checkpoint; a second one kills."""
        if not self.received:
            return
        if self.stopped_by is None:
            self.stopped_by = signal.Signals(self.received[0])
            handed_on = signal.SIGTERM if self.stopped_by == signal.SIGHUP else self.stopped_by
            for process in self.running.values():
                process.ask_to_end(handed_on, self.limits.grace_seconds, "stopped",
                                   f"stopped by {name_of(self.stopped_by)}, with the sweep")
        elif len(self.received) > 1:
            for process in self.running.values():
                process.kill()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            self.received.append(number)
        heard = [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN or each == signal.SIGINT]
        before = {each: signal.signal(each, note) for each in heard}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, signal.SIG_DFL if handler is None else handler)
