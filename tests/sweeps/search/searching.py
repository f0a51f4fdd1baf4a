"""Searches of stand-ins for train.py in the current folder: python -m tests.sweeps.search.searching TRIALS runs one."""

import json
import sys
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from saddlepoint.comparison.report.writing import write_page
from saddlepoint.errors import EndOfRun
from saddlepoint.sweeps.jobs import Job
from saddlepoint.sweeps.runner import Limits
from saddlepoint.sweeps.search.objective import Objective
from saddlepoint.sweeps.search.search import Plan, search
from saddlepoint.sweeps.search.space import read_space
from saddlepoint.sweeps.search.study import Method
from saddlepoint.sweeps.sweep import Request

SEARCH = Path("search")
X = "x=interval(0, 1)"
STAND_IN = [sys.executable, "-S", str(Path(__file__).with_name("stand_in.py"))]


def method(**changes) -> Method:
    return Method(**{"sampler": "tpe", "sampler_startup_trials": 3, "seed": 0, "pruner": "none",
                     "pruner_startup_trials": 2, "pruner_warmup_images": 0, "percentile": 50, **changes})


def objective(**changes) -> Objective:
    return Objective(**{"metric": "fid", "value": "last", "direction": "minimize", "every_images": 20,
                        "budget_images": 80, **changes})


def searched(*typed: str, trials: int = 6, at_once: int = 1, directory: Path = SEARCH, again: tuple[str, ...] = (
        "failed", "killed", "hung", "stopped"), of: Objective | None = None, **changes,
             ) -> tuple[list[Job], EndOfRun | None]:
    space = read_space(["seed=0", *(typed or [X])], {}, None)
    request = Request(directory, STAND_IN, ["python", "stand_in.py"], ["threads=1"], [{}] * at_once,
                      Limits(grace_seconds=5), again,
                      [*typed, "-m", "hydra/sweeper=search"], write_page)
    return search(request, Plan(space, of or objective(), method(**changes), trials))


def summary(directory: Path = SEARCH) -> dict:
    return json.loads((directory / "summary.json").read_text())


def trials(directory: Path = SEARCH) -> list[tuple]:
    """What was tried and what became of it, in order, without clocks"""
    content = summary(directory)
    jobs = {job["number"]: job for job in content["jobs"]}
    return [(tuple(jobs[trial["job"]]["differs"]), trial["state"], trial["value"])
            for trial in content["search"]["trials"]]


def study(directory: Path = SEARCH) -> optuna.Study:
    """As Optuna's own tools open it"""
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    return optuna.load_study(study_name="search", storage=storage)


def x_of(job: Job) -> float:
    return float(job.differs[0].partition("=")[2])


if __name__ == "__main__":
    searched(X, "kind=halting,fine", trials=int(sys.argv[1]))
