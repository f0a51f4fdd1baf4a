"""Optuna's part: a study in a journal that outlives the search, samplers and pruners. The only file that imports it."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search.objective import Objective
from saddlepoint.sweeps.search.space import Choices, Dimension, Space

NAME = "search"
JOURNAL = "study.journal"
REDUCTION = 3  # hyperband: of the trials that come to a rung, one in so many goes on

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


@dataclass(frozen=True)
class Method:
    """conf/hydra/sweeper/search.yaml explains the values."""

    sampler: str
    sampler_startup_trials: int
    seed: int
    pruner: str
    pruner_startup_trials: int
    pruner_warmup_images: int
    percentile: float

    def of_trial(self, number: int) -> BaseSampler:
        """A sampler anew for each trial: what it draws is a function of the seed, the number and the trials before,
        whether or not the search was interrupted between."""
        seed = int(numpy.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.sampler == "random":
            return RandomSampler(seed=seed)
        return TPESampler(seed=seed, n_startup_trials=self.sampler_startup_trials, multivariate=True,
                          constant_liar=True)

    @property
    def keeps_percent(self) -> float:
        return 50.0 if self.pruner == "median" else self.percentile

    def ends(self, objective: Objective) -> optuna.pruners.BasePruner:
        if self.pruner == "none":
            return optuna.pruners.NopPruner()
        if self.pruner == "hyperband":
            least = max(self.pruner_warmup_images, objective.every_images or 1)
            most = max(objective.budget_images or least, least)
            return optuna.pruners.HyperbandPruner(least, most, REDUCTION)
        return optuna.pruners.PercentilePruner(self.keeps_percent, self.pruner_startup_trials,
                                               self.pruner_warmup_images)


class Study:
    """The trials of a directory, those of earlier searches there too."""

    def __init__(self, directory: Path, space: Space, objective: Objective, method: Method):
        self.space, self.objective, self.method = space, objective, method
        self.distributions = {each.key: distribution(each) for each in space.dimensions}
        self.study = opened(directory / JOURNAL, objective.direction, method.ends(objective))
        asked = {"direction": objective.direction, "metric": objective.metric, "value": objective.value,
                 "space": sorted(map(str, space.dimensions)), "settings of all trials": sorted(space.fixed)}
        known = self.study.user_attrs.get(NAME)
        if known is None:
            self.study.set_user_attr(NAME, asked)
        elif known != asked:
            refuse_another(directory, known, asked)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def ask(self) -> Trial:
        self.study.sampler = self.method.of_trial(len(self.trials))
        return self.study.ask(self.distributions)

    def reopened(self, trial: FrozenTrial) -> Trial:
        """One that was running when its search ended, perhaps before it had all its values"""
        self.study.sampler = self.method.of_trial(trial.number)
        again = Trial(self.study, trial._trial_id)
        for key, values in self.distributions.items():
            again._suggest(key, values)
        return again

    def follow(self, trial: Trial, points: list[tuple[int, float]], name: str, budget_images: int | None) -> str | None:
        """Reports what is new -> why the trial should end now. A function of the scores, whenever they are looked at:
        what was decided stays, and nothing after it is reported."""
        decided = trial.user_attrs.get("pruned")
        known = self.trials[trial.number].intermediate_values
        for images, value in () if decided else points:
            if images in known:
                continue
            trial.report(value, images)
            if images < (budget_images or images + 1) and trial.should_prune():
                decided = self.reason(images, value, name)
                trial.set_user_attr("pruned", decided)
                break
        return decided

    def reason(self, images: int, value: float, name: str) -> str:
        said = f"{name} {value:.4g} at {images:,} images"
        if self.method.pruner == "hyperband":
            return f"{said} is not among the best of {REDUCTION} that came so far (hyperband)"
        others = [trial.intermediate_values[images] for trial in self.trials
                  if trial.state == TrialState.COMPLETE and images in trial.intermediate_values]
        kept = self.method.keeps_percent
        bound = numpy.percentile(others, kept if self.objective.direction == "minimize" else 100 - kept)
        which = "the median" if kept == 50 else f"the bound of the best {kept:g} %"
        return f"{said}, {which} of {len(others)} completed trial{'s' * (len(others) != 1)} is {bound:.4g} there"

    def tell(self, trial: Trial, state: str, reason: str, value: float | None) -> None:
        """Pruned counts as worse than every completed trial, the later the better: so a sampler learns from it. What
        failed says nothing about its settings."""
        trial.set_user_attr("state", state)
        trial.set_user_attr("reason", reason)
        if state == "completed":
            self.study.tell(trial, value)
        else:
            learnt = state in ("pruned", "diverged")
            self.study.tell(trial, state=TrialState.PRUNED if learnt else TrialState.FAIL)

    def repeat(self, trial: Trial, first: FrozenTrial) -> None:
        """A run is a function of its settings: the same once more has the same scores and the same end."""
        for images, value in first.intermediate_values.items():
            trial.report(value, images)
        self.tell(trial, first.user_attrs["state"], first.user_attrs["reason"], first.value)


def distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.texts)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, int(dimension.step or 1))
    return FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)


class HeldAlready:
    """The search holds its directory's lock; one of Optuna's would stay behind when it is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None: ...


def opened(journal: Path, direction: str, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    cut_torn_end(journal)
    try:
        storage = JournalStorage(JournalFileBackend(str(journal), HeldAlready()))
        if any(study.study_name == NAME for study in storage.get_all_studies()):
            return optuna.load_study(study_name=NAME, storage=storage, pruner=pruner)
        return optuna.create_study(storage=storage, study_name=NAME, direction=direction, pruner=pruner)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise RequestError(f"{journal} cannot be read ({type(error).__name__}: {error}): choose another "
                           "hydra.sweep.dir") from error


def cut_torn_end(journal: Path) -> None:
    """Of a line that was being written when the power failed; Optuna would write on in the middle of it."""
    if journal.exists():
        whole, newline, torn = journal.read_bytes().rpartition(b"\n")
        if torn:
            with journal.open("r+b") as file:
                file.truncate(len(whole + newline))


def refuse_another(directory: Path, known: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    was, now = next((known.get(part), asked[part]) for part in asked if known.get(part) != asked[part])
    part = next(part for part in asked if known.get(part) != asked[part])
    if isinstance(now, list) and isinstance(was, list):
        was, now = ([each for each in these if each not in those] for these, those in ((was, now), (now, was)))
    raise RequestError(f"hydra.sweep.dir={directory} holds a search of another {part}: {said(was)} there, {said(now)} "
                       "now. Type the same as there to go on, or choose another directory")


def said(value: Any) -> str:
    return " ".join(value) or "nothing" if isinstance(value, list) else str(value)
