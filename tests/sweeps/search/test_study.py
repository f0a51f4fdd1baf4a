"""What the sampler makes of the ends of trials, without running any."""

import statistics
from collections.abc import Callable
from pathlib import Path

from optuna.trial import Trial

from saddlepoint.sweeps.search.space import read_space
from saddlepoint.sweeps.search.study import Study
from tests.sweeps.search.searching import method, objective

SPACE = ("x=interval(0, 1)", "kind=fine,other,third")


def asked(count: int, end: Callable[[dict], tuple[str, float | None]], **changes) -> list[Trial]:
    """`end`: of a trial with these values, its state and value"""
    directory = Path(str(changes))
    directory.mkdir()
    study = Study(directory, read_space(SPACE, {}, None), objective(), method(sampler_startup_trials=10, **changes))
    trials = []
    for _ in range(count):
        trial = study.ask()
        state, value = end(trial.params)
        study.tell(trial, state, "", value)
        trials.append(trial)
    return trials


def share(trials: list[Trial], kind: str) -> float:
    return statistics.mean(trial.params["kind"] == kind for trial in trials)


def test_tpe_comes_nearer_to_the_best_than_chance():
    def end(values: dict) -> tuple[str, float]:
        return "completed", (values["x"] - 0.3) ** 2
    tpe, random = ([abs(trial.params["x"] - 0.3) for trial in asked(60, end, sampler=sampler)[20:]]
                   for sampler in ("tpe", "random"))
    assert statistics.mean(tpe) < statistics.mean(random) / 2


def test_what_diverges_is_avoided_and_what_failed_says_nothing():
    def ends(state: str) -> Callable[[dict], tuple[str, float | None]]:
        return lambda values: (state, None) if values["kind"] == "other" else ("completed", values["x"])
    avoided, ignored = (share(asked(70, ends(state), seed=seed)[20:], "other")
                        for seed, state in enumerate(("diverged", "failed")))
    assert avoided < ignored / 2


def test_what_is_drawn_depends_on_the_number_of_the_trial_and_not_on_the_process():
    once = method().make_sampler(3)
    assert once._rng.rng.rand() == method().make_sampler(3)._rng.rng.rand() != method().make_sampler(4)._rng.rng.rand()
    assert method(seed=2**63 - 1).make_sampler(0)._rng.rng.rand() != method().make_sampler(0)._rng.rng.rand()
