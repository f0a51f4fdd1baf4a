"""Runs jobs as processes, several at once. The failure of one does not affect the others."""

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from saddlepoint.sweeps.jobs import Job, signal_name
from saddlepoint.sweeps.process import Process

POLL_SECONDS = 0.05  # between two looks at the processes
READ_SECONDS = 1.0  # between two looks at their files
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


@dataclass(frozen=True)
class Limits:
    """Limits to the time that jobs take; conf/hydra/launcher/processes.yaml explains them."""

    hang_minutes: float | None = None  # without progress; None: no limit
    limit_minutes: float | None = None  # for one start of a job; None: no limit
    grace_seconds: float = 120  # between asking a job to end and killing it, for its checkpoint
    place: str = "hydra.launcher."  # of their settings, as typed; empty: they cannot be set


class Watcher(Protocol):
    """An object that a runner notifies of changes."""

    def on_change(self, job: Job) -> None:
        """Shows that a job has started or ended."""

    def on_refresh(self) -> None:
        """Shows the numbers of the running jobs, which have been read anew."""


class Steering(Protocol):
    """An object that a runner asks for further jobs, and whether running jobs should end early."""

    def next(self) -> Job | None:
        """Returns a new job to start, now that there is a place for it, or None."""

    def reason_to_end(self, job: Job) -> str | None:
        """Returns why a job that made progress should end now as pruned, or None."""


class NoSteering:
    """A steering that adds no jobs and ends none."""

    def next(self) -> None: ...

    def reason_to_end(self, job: Job) -> None: ...


class Runner:
    """A runner of jobs, as many at once as there are places.

    command: job -> the command line of this start of it
    places: variables that are added to a job's environment, one mapping for each job that may run at once
    limits: how long jobs may take
    watcher: is notified of changes
    steering: may add jobs and end jobs early
    """

    def __init__(self, command: Callable[[Job], Sequence[str]], places: Sequence[Mapping[str, str]], limits: Limits,
                 watcher: Watcher, steering: Steering = NoSteering()):  # noqa: B008 it has no state
        self.command, self.limits, self.watcher, self.steering = command, limits, watcher, steering
        self.free = deque(range(len(places)))
        self.places = places
        self.running: dict[int, Process] = {}  # by place
        self.waiting: deque[Job] = deque()
        self.retried: set[int] = set()  # numbers of jobs
        self.received: list[int] = []  # signals
        self.stopped_by: signal.Signals | None = None

    def run(self, jobs: Sequence[Job]) -> signal.Signals | None:
        """Runs the jobs and those that steering adds until all have ended. Returns the signal that ended it before, or
        None."""
        self.waiting.extend(jobs)
        with self._catching_signals():
            try:
                self._run()
            finally:  # processes are left only after an exception here
                for process in self.running.values():
                    process.kill()
        return self.stopped_by

    def _run(self) -> None:
        read_at = 0.0
        while True:
            self._handle_signals()
            self._start_jobs()
            if not self.running and (self.stopped_by or not self.received):
                return
            self._collect_ended()
            if time.monotonic() >= read_at:
                self._refresh_running()
                read_at = time.monotonic() + READ_SECONDS
            time.sleep(POLL_SECONDS)

    def _start_jobs(self) -> None:
        while self.free and not self.received:
            job = self.waiting.popleft() if self.waiting else self.steering.next()
            if job is None:
                return
            place = self._take_place()
            try:
                self.running[place] = Process(job, self.command(job), self.places[place])
            except OSError as error:  # no memory for another process, no room for its log
                job.state, job.reason = "failed", f"cannot be started: {error}"
                self.free.append(place)
            self.watcher.on_change(job)

    def _take_place(self) -> int:
        """Returns a free place, and no longer holds it for free: where GPUs are shared, one of the GPU that has the
        fewest jobs; of several the one that has been free for longest."""
        busy = Counter(self._gpu_of(place) for place in self.running)
        place = min(self.free, key=lambda place: busy[self._gpu_of(place)])
        self.free.remove(place)
        return place

    def _gpu_of(self, place: int) -> str | None:
        return self.places[place].get("CUDA_VISIBLE_DEVICES")

    def _collect_ended(self) -> None:
        for place, process in list(self.running.items()):
            if time.monotonic() >= process.kill_at:
                process.kill()
            if process.is_over:
                process.conclude()
                del self.running[place]
                self.free.append(place)
                self._retry_if_killed(process.job)
                self.watcher.on_change(process.job)

    def _retry_if_killed(self, job: Job) -> None:
        """Lets a job that was killed run once more: the system may have killed it for lack of memory that another job
        has freed since."""
        if job.state == "killed" and job.number not in self.retried and not self.stopped_by:
            self.retried.add(job.number)
            job.state, job.reason = "waiting", f"{job.reason}, goes on"
            self.waiting.appendleft(job)

    def _refresh_running(self) -> None:
        """Reads the files of all running jobs, and asks those to end that take too long or have no prospects."""
        for process in self.running.values():
            progress = process.refresh()
            end = self._end_to_ask_for(process, progress)
            if end:
                process.ask_to_end(signal.SIGTERM, self.limits.grace_seconds, *end)
        self.watcher.on_refresh()

    def _end_to_ask_for(self, process: Process, progress: bool) -> tuple[str, str] | None:
        """Returns the state and the reason for which a job should end now, or None if it may go on."""
        if process.request_to_end or process.is_over:
            return None
        exceeded = self._exceeded_limit(process)
        if exceeded:
            return "hung", exceeded
        reason = self.steering.reason_to_end(process.job) if progress else None
        return ("pruned", reason) if reason else None

    def _exceeded_limit(self, process: Process) -> str | None:
        """Returns a phrase that names the limit which a job has exceeded, or None."""
        now, limits = time.monotonic(), self.limits
        if limits.hang_minutes and now - process.progressed > 60 * limits.hang_minutes:
            return f"no progress for {limits.hang_minutes:g} minutes{self._setting('hang_minutes')}"
        if limits.limit_minutes and now - process.started > 60 * limits.limit_minutes:
            return f"not over after {limits.limit_minutes:g} minutes{self._setting('limit_minutes')}"
        return None

    def _setting(self, name: str) -> str:
        return f" ({self.limits.place}{name})" if self.limits.place else ""

    def _handle_signals(self) -> None:
        """Passes the first signal on to the running jobs, so that they can write a checkpoint; kills them at the
        second. A terminal that is closed may send SIGHUP twice, or after another one, and means it once."""
        if not self.received:
            return
        if self.stopped_by is None:
            self.stopped_by = signal.Signals(self.received[0])
            passed_on = signal.SIGTERM if self.stopped_by == signal.SIGHUP else self.stopped_by
            for process in self.running.values():
                process.ask_to_end(passed_on, self.limits.grace_seconds, "stopped",
                                   f"stopped by {signal_name(self.stopped_by)}, with the sweep")
        elif any(number != signal.SIGHUP for number in self.received[1:]):
            for process in self.running.values():
                process.kill()

    @contextmanager
    def _catching_signals(self) -> Iterator[None]:
        """Notes the signals that arrive meanwhile; those that were ignored before (nohup) stay ignored, except
        SIGINT."""
        def note(number: int, frame: FrameType | None) -> None:
            self.received.append(number)
        caught = [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN or each == signal.SIGINT]
        handlers = {each: signal.signal(each, note) for each in caught}
        try:
            yield
        finally:
            for each, handler in handlers.items():
                signal.signal(each, signal.SIG_DFL if handler is None else handler)
