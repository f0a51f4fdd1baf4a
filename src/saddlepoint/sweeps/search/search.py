"""Runs a search: each trial is a job of a sweep, trials with the same settings share one job."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, Trial

from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.files.json_files import now, read_json
from saddlepoint.sweeps.display import Lines, LiveTable
from saddlepoint.sweeps.jobs import ENDED, Job
from saddlepoint.sweeps.naming import directory_name, setting
from saddlepoint.sweeps.run_files import RunFiles
from saddlepoint.sweeps.runner import Runner
from saddlepoint.sweeps.search.ending import end_of, table
from saddlepoint.sweeps.search.objective import Objective
from saddlepoint.sweeps.search.space import Space
from saddlepoint.sweeps.search.study import JOURNAL, Method, Study
from saddlepoint.sweeps.summary import Summary
from saddlepoint.sweeps.sweep import Request, is_missing, locking

# Ends that count as pruned, if the pruner decided before.
OVERRULED = ("completed", "stopped", "hung", "killed", "failed")


@dataclass(frozen=True)
class Plan:
    """The plan of a search: what it varies, what it optimises, by which method, and with how many trials."""

    space: Space
    objective: Objective
    method: Method
    trials: int


class Search:
    """The steering and the watcher of a search's runner: it gives the runner the next job, decides whether a job should
    end early, and tells the study how each ended."""

    def __init__(self, request: Request, plan: Plan):
        self.request, self.plan = request, plan
        self.summary = Summary(request.directory, request.line)
        if self.summary.jobs and not (request.directory / JOURNAL).exists():
            raise RequestError(f"hydra.sweep.dir={request.directory} holds a sweep and no search: choose another "
                               "directory")
        self.study = Study(request.directory, plan.space, plan.objective, plan.method)
        self.jobs: list[Job] = []  # of this search's trials, in their order
        # number of a job -> its trials whose end the study does not know; the first is followed, the others repeat it
        self.open: dict[int, list[Trial]] = {}
        self.first: dict[int, int] = {}  # number of a job -> number of its first trial
        # What ends the search: of a write to the study, which may have left a part of a line there, or a score that no
        # trial measures. No trial is asked for after it, and the end of no other job is told.
        self.failure: OSError | RequestError | None = None
        self.display = LiveTable(self.jobs, sys.stderr) if sys.stderr.isatty() else Lines(self.jobs, sys.stderr,
                                                                                         plan.trials)

    def take_up(self) -> list[Job]:
        """Reads the trials of earlier searches in the directory. Returns the jobs of those that have to run: they were
        running when the last search ended, or failed and may run again."""
        for trial in self.study.trials:
            if trial.state.is_finished():
                job = self.job_of(trial)
                job.state, job.reason = trial.user_attrs["state"], trial.user_attrs["reason"]
            else:
                reopened = self.study.reopen(trial)
                self.open.setdefault(self.job_of(reopened).number, []).append(reopened)
        missing = []
        for number in list(self.open):
            job = next(job for job in self.jobs if job.number == number)
            if self.study.trials[self.first[number]].state.is_finished():
                self.repeat(job)
            elif not self.open[number][0].user_attrs.get("pruned") and is_missing(job, self.request.again):
                job.state, job.reason = "waiting", ""
                missing.append(job)
            else:
                self.conclude_of_earlier(job)
        return missing

    def conclude_of_earlier(self, job: Job) -> None:
        """Concludes a job of an earlier search. One that was to be pruned when that search died counts as ended, as it
        would have then."""
        if job.state in ENDED:
            self.conclude(job)
            return
        files, status = RunFiles(job), read_json(Path(job.directory) / "status.json") or {}
        files.conclude(status)
        job.state, job.reason = "stopped", "its search ended"
        self.conclude(job)
        files.write_end(status)

    def job_of(self, trial: FrozenTrial | Trial) -> Job:
        """Returns the job with a trial's settings, a new one if there is none yet."""
        overrides, searched = self.plan.space.overrides(trial.params)
        job = next((job for job in self.summary.jobs if sorted(job.overrides) == sorted(overrides)), None)
        if job is None:
            number = max((job.number for job in self.summary.jobs), default=-1) + 1
            name = directory_name(number, searched, map(setting, overrides))
            job = Job(number, overrides, str(self.request.directory / name))
            self.summary.jobs.append(job)
        if job.number not in self.first:
            self.first[job.number] = trial.number
            job.directory = str(self.request.directory / Path(job.directory).name)  # the folder may have been moved
            job.differs = searched
            self.jobs.append(job)
        return job

    # What the runner calls

    def next(self) -> Job | None:
        """Asks the study for trials until one has settings that no job has had, and returns its job; None if there are
        enough trials."""
        while self.wants_more() and not self.failure:
            with self.waiting_for_the_others():
                trial = self.study.ask()
                job = self.job_of(trial)
                is_new = self.first[job.number] == trial.number
                self.open.setdefault(job.number, []).append(trial)
                if is_new:
                    return job
                if self.study.trials[self.first[job.number]].state.is_finished():
                    self.repeat(job)
        return None

    def wants_more(self) -> bool:
        """Returns whether there are fewer trials than planned. A refused trial does not count, and another takes its
        place; but the search ends when as many as planned were refused."""
        trials = self.study.trials
        refused = sum(trial.user_attrs.get("state") == "refused" for trial in trials)
        return len(trials) - refused < self.plan.trials and refused < self.plan.trials

    def reason_to_end(self, job: Job) -> str | None:
        if self.failure:
            return None
        name, points = self.plan.objective.points(job.directory)
        with self.waiting_for_the_others():
            return self.study.follow(self.open[job.number][0], points, name, job.budget_images)

    def on_change(self, job: Job) -> None:
        if job.state in ENDED and not self.failure:
            with self.waiting_for_the_others():
                self.conclude(job)
        with suppress(OSError):  # a full disk is reported at the end, so that the running jobs can end first
            self.save()
        with suppress(OSError):  # the reader of the stream has gone
            self.display.on_change(job)

    def on_refresh(self) -> None:
        with suppress(OSError):
            self.display.on_refresh()

    @contextmanager
    def waiting_for_the_others(self) -> Iterator[None]:
        """Notes an error of writing, e.g. to a full disk, which is raised when the running jobs have ended."""
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error

    # How a job ended

    def conclude(self, job: Job) -> None:
        """Tells the study how the trials of a job ended. A job that may run again stays open."""
        name, points = self.plan.objective.points(job.directory)
        pruned = self.study.follow(self.open[job.number][0], points, name, job.budget_images)
        value = self.plan.objective.score(points)
        if pruned and job.state in OVERRULED:
            job.state, job.reason = "pruned", pruned
        elif job.state == "completed" and value is None:
            job.state, job.reason = "failed", f"completed without a finite {name} in its metrics.csv"
            self.end_if_unmeasured(job)
        if job.state not in self.request.again:
            self.study.tell(self.open[job.number].pop(0), job.state, job.reason, value)
            self.repeat(job)

    def end_if_unmeasured(self, job: Job) -> None:
        """Ends the search if a completed job has not measured the score, not even as one that is not finite, and no
        trial has: those to come would be trained for nothing."""
        metric, measured = self.plan.objective.metric, self.plan.objective.measured(job.directory)
        if metric not in measured and not any(trial.intermediate_values for trial in self.study.trials):
            self.failure = RequestError(
                f"hydra.sweeper.metric={metric} is not measured by these trials: job {job.number} completed without it "
                f"(measured: {', '.join(measured) or 'nothing'}). Type a metric that is measured, or what this one is "
                "measured with, and another hydra.sweep.dir")

    def repeat(self, job: Job) -> None:
        """Tells the study that all open trials of a job ended as the first one did."""
        for trial in self.open.pop(job.number):
            self.study.repeat(trial, self.study.trials[self.first[job.number]])

    def save(self, **more: Any) -> None:
        """Writes summary.json with objective and trials, without one that a failed write left without its settings.
        `more`: further entries, such as `ended` and `exit_code`."""
        objective = self.plan.objective
        self.summary.save(**more, search={
            "metric": objective.metric, "value": objective.value, "direction": objective.direction,
            "trials": [{"number": trial.number, "job": self.job_of(trial).number,
                        "state": trial.user_attrs.get("state", "open"), "value": value_of(trial)}
                       for trial in self.study.trials if self.study.has_settings(trial)]})

    def values(self) -> dict[int, float]:
        """Returns number -> score of the completed jobs."""
        values = {number: value_of(self.study.trials[first]) for number, first in self.first.items()}
        return {number: value for number, value in values.items() if value is not None}


def value_of(trial: FrozenTrial) -> float | None:
    """Returns the score of a completed trial, else None; Optuna would give a pruned trial its last value."""
    return trial.value if trial.user_attrs.get("state") == "completed" else None


def search(request: Request, plan: Plan) -> tuple[Sequence[Job], EndOfRun | None]:
    """Runs a search, or continues the one in its directory. Returns its jobs, and the end to report to the user; None
    if all went as it should."""
    with locking(request.directory):
        steering = Search(request, plan)
        missing = steering.take_up()
        ended = len(steering.study.trials) - sum(map(len, steering.open.values()))
        if ended:
            print(f"{ended} of {plan.trials} trials have ended in {request.directory} before", file=sys.stderr)
        try:
            runner = Runner(request.command, request.places, request.limits, watcher=steering, steering=steering)
            stopped_by = runner.run([] if steering.failure else missing)
        finally:
            with suppress(OSError):
                steering.display.close()
        values = steering.values()
        message, end = end_of(steering.jobs, values, plan.objective, request, stopped_by, len(steering.study.trials))
        try:
            if steering.failure:
                raise steering.failure
            steering.save(ended=now(), exit_code=end.exit_code if end else 0)
        finally:
            print(table(steering.jobs, values, plan.objective), flush=True)
        page = request.write_page(request.directory)
    if page:
        print(f"The same with curves and pictures: {page}")
    if not end:
        print(message)
    return steering.jobs, end
