"""A search from its trials to its summary: each trial is a job of a sweep, the same settings are one job."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, Trial

from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.files.json_files import now
from saddlepoint.sweeps.display import Lines, LiveTable
from saddlepoint.sweeps.jobs import ENDED, Job
from saddlepoint.sweeps.naming import directory_name, setting
from saddlepoint.sweeps.runner import Runner
from saddlepoint.sweeps.search.ending import end_of, table
from saddlepoint.sweeps.search.objective import Objective
from saddlepoint.sweeps.search.space import Space
from saddlepoint.sweeps.search.study import JOURNAL, Method, Study
from saddlepoint.sweeps.summary import Summary
from saddlepoint.sweeps.sweep import Request, is_missing, locked

OVERRULED = ("completed", "stopped", "hung", "killed")  # ends of a run that the pruner had given up


@dataclass(frozen=True)
class Plan:
    space: Space
    objective: Objective
    method: Method
    trials: int


class Search:
    """For the runner: the next job, whether one should end, and what became of it. `open`: trials that have not been
    told their end, by the number of their job; the first of each is followed, the others repeat it."""

    def __init__(self, request: Request, plan: Plan):
        self.request, self.plan = request, plan
        self.summary = Summary(request.directory, request.line)
        if self.summary.jobs and not (request.directory / JOURNAL).exists():
            raise RequestError(f"hydra.sweep.dir={request.directory} holds a sweep and no search: choose another "
                               "directory")
        self.study = Study(request.directory, plan.space, plan.objective, plan.method)
        self.jobs: list[Job] = []  # of this search's trials, in their order
        self.open: dict[int, list[Trial]] = {}
        self.first: dict[int, int] = {}  # number of a job -> that of the first trial that is it
        self.shown = LiveTable(self.jobs, sys.stderr) if sys.stderr.isatty() else Lines(self.jobs, sys.stderr,
                                                                                       plan.trials)

    def taken_up(self) -> list[Job]:
        """-> jobs of trials that were running, or failed and may try again, when the last search here ended"""
        for trial in self.study.trials:
            if trial.state.is_finished():
                job = self.job_of(trial)
                job.state, job.reason = trial.user_attrs["state"], trial.user_attrs["reason"]
            else:
                again = self.study.reopened(trial)
                self.open.setdefault(self.job_of(again).number, []).append(again)
        missing = []
        for number in list(self.open):
            job = next(job for job in self.jobs if job.number == number)
            if self.study.trials[self.first[number]].state.is_finished():
                self.repeat(job)
            elif not self.open[number][0].user_attrs.get("pruned") and is_missing(job, self.request.again):
                job.state, job.reason = "waiting", ""
                missing.append(job)
            else:
                self.conclude(job)
        return missing

    def job_of(self, trial: FrozenTrial | Trial) -> Job:
        overrides, own = self.plan.space.overrides(trial.params)
        job = next((job for job in self.summary.jobs if sorted(job.overrides) == sorted(overrides)), None)
        if job is None:
            number = max((job.number for job in self.summary.jobs), default=-1) + 1
            named = directory_name(number, own, map(setting, overrides))
            job = Job(number, overrides, str(self.request.directory / named))
            self.summary.jobs.append(job)
        if job.number not in self.first:
            self.first[job.number] = trial.number
            job.directory = str(self.request.directory / Path(job.directory).name)  # the search may have been moved
            job.differs = own
            self.jobs.append(job)
        return job

    # What the runner asks.

    def next(self) -> Job | None:
        while self.wants_more():
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
        """Refused trials were none, so others take their place: as many as were asked for at most."""
        trials = self.study.trials
        refused = sum(trial.user_attrs.get("state") == "refused" for trial in trials)
        return len(trials) - refused < self.plan.trials and refused < self.plan.trials

    def verdict(self, job: Job) -> str | None:
        name, points = self.plan.objective.points(job.directory)
        return self.study.follow(self.open[job.number][0], points, name, job.budget_images)

    def changed(self, job: Job) -> None:
        if job.state in ENDED:
            self.conclude(job)
        with suppress(OSError):  # a full disk is said at the end; the jobs that run shall end before
            self.save()
        with suppress(OSError):  # nobody reads any more
            self.shown.changed(job)

    def looked(self) -> None:
        with suppress(OSError):
            self.shown.looked()

    # What became of a job.

    def conclude(self, job: Job) -> None:
        """What may run again stays open in the study."""
        name, points = self.plan.objective.points(job.directory)
        pruned = self.study.follow(self.open[job.number][0], points, name, job.budget_images)
        value = self.plan.objective.of(points)
        if pruned and job.state in OVERRULED:
            job.state, job.reason = "pruned", pruned
        elif job.state == "completed" and value is None:
            job.state, job.reason = "failed", f"completed without a finite {name} in its metrics.csv"
        if job.state not in self.request.again:
            self.study.tell(self.open[job.number].pop(0), job.state, job.reason, value)
            self.repeat(job)

    def repeat(self, job: Job) -> None:
        for trial in self.open.pop(job.number):
            self.study.repeat(trial, self.study.trials[self.first[job.number]])

    def save(self, **more: Any) -> None:
        objective = self.plan.objective
        self.summary.save(**more, search={
            "metric": objective.metric, "value": objective.value, "direction": objective.direction,
            "trials": [{"number": trial.number, "job": self.job_of(trial).number,
                        "state": trial.user_attrs.get("state", "open"), "value": value_of(trial)}
                       for trial in self.study.trials]})

    def values(self) -> dict[int, float]:
        """Of the completed jobs, by number"""
        found = {number: value_of(self.study.trials[first]) for number, first in self.first.items()}
        return {number: value for number, value in found.items() if value is not None}


def value_of(trial: FrozenTrial) -> float | None:
    """Of a completed one; Optuna gives a pruned trial its latest"""
    return trial.value if trial.user_attrs.get("state") == "completed" else None


def search(request: Request, plan: Plan) -> tuple[Sequence[Job], EndOfRun | None]:
    """-> its jobs, and the end to report if it is not as it should be"""
    with locked(request.directory):
        searching = Search(request, plan)
        missing = searching.taken_up()
        stand = len(searching.study.trials) - sum(map(len, searching.open.values()))
        if stand:
            print(f"{stand} of {plan.trials} trials have ended in {request.directory} before", file=sys.stderr)
        try:
            runner = Runner(request.command, request.places, request.limits, searching, searching)
            stopped_by = runner.run(missing)
        finally:
            with suppress(OSError):
                searching.shown.close()
        values = searching.values()
        message, end = end_of(searching.jobs, values, plan.objective, request, stopped_by,
                              len(searching.study.trials))
        try:
            searching.save(ended=now(), exit_code=end.exit_code if end else 0)
        finally:
            print(table(searching.jobs, values, plan.objective), flush=True)
        page = request.write_page(request.directory)
    if page:
        print(f"The same with curves and pictures: {page}")
    if not end:
        print(message)
    return searching.jobs, end
