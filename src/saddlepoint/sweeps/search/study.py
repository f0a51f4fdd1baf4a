"""Wraps Optuna, which no other file imports: the study in a journal that outlives the search, samplers and pruners."""

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
REDUCTION = 3  # hyperband: one in so many of the trials that reach a rung goes on

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


@dataclass(frozen=True)
class Method:
    """The sampler that proposes settings and the pruner that ends trials early, with their parameters;
    conf/hydra/sweeper/search.yaml explains the values."""

    sampler: str
    sampler_startup_trials: int
    seed: int
    pruner: str
    pruner_startup_trials: int
    pruner_warmup_images: int
    percentile: float

    def make_sampler(self, number: int) -> BaseSampler:
        """Returns the sampler of one trial. What it draws is a function of the seed, the trial's number and the trials
        before it, so an interrupted search proposes the same settings as one that was not."""
        seed = int(numpy.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.sampler == "random":
            return RandomSampler(seed=seed)
        return TPESampler(seed=seed, n_startup_trials=self.sampler_startup_trials, multivariate=True,
                          constant_liar=True)

    @property
    def keeps_percent(self) -> float:
        """Returns how many percent of the trials the pruners `median` and `percentile` let go on."""
        return 50.0 if self.pruner == "median" else self.percentile

    def make_pruner(self, objective: Objective) -> optuna.pruners.BasePruner:
        if self.pruner == "none":
            return optuna.pruners.NopPruner()
        if self.pruner == "hyperband":
            least = max(self.pruner_warmup_images, objective.every_images or 1)
            most = max(objective.budget_images or least, least)
            return optuna.pruners.HyperbandPruner(least, most, REDUCTION)
        return optuna.pruners.PercentilePruner(self.keeps_percent, self.pruner_startup_trials,
                                               self.pruner_warmup_images)


class Study:
    """The trials of a sweep's directory, those of earlier searches there included. Raises a RequestError if these had
    another space, objective or fixed setting."""

    def __init__(self, directory: Path, space: Space, objective: Objective, method: Method):
        self.space, self.objective, self.method = space, objective, method
        self.distributions = {each.key: distribution(each) for each in space.dimensions}
        self.study = open_study(directory / JOURNAL, objective.direction, method.make_pruner(objective))
        description = {"direction": objective.direction, "metric": objective.metric, "value": objective.value,
                       "space": sorted(map(str, space.dimensions)), "settings of all trials": sorted(space.fixed)}
        known = self.study.user_attrs.get(NAME)
        if known is None:
            self.study.set_user_attr(NAME, description)
        elif known != description:
            refuse_another(directory, known, description)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Returns all trials so far; the trial of number n stands at place n."""
        return self.study.get_trials(deepcopy=False)

    def ask(self) -> Trial:
        """Returns a new trial with the settings that the sampler proposes."""
        self.study.sampler = self.method.make_sampler(len(self.trials))
        return self.study.ask(self.distributions)

    def has_settings(self, trial: FrozenTrial) -> bool:
        """Returns whether a trial has been given a value in each dimension of the space."""
        return trial.params.keys() >= self.distributions.keys()

    def reopen(self, trial: FrozenTrial) -> Trial:
        """Returns a trial that was running when its search ended; settings that it had not been given yet are
        proposed now."""
        self.study.sampler = self.method.make_sampler(trial.number)
        again = Trial(self.study, trial._trial_id)
        for key, values in self.distributions.items():
            again._suggest(key, values)
        return again

    def follow(self, trial: Trial, points: list[tuple[int, float]], name: str, budget_images: int | None) -> str | None:
        """Reports a trial's new points (images, value) and returns why it should end now, or None.

        The answer depends on the points alone, not on when they are read: once a trial is to be pruned, this stays so,
        and no later point is reported.
        """
        reason = trial.user_attrs.get("pruned")
        reported = self.trials[trial.number].intermediate_values
        for images, value in () if reason else points:
            if images in reported:
                continue
            trial.report(value, images)
            if images < (budget_images or images + 1) and trial.should_prune():
                reason = self.reason_to_prune(images, value, name)
                trial.set_user_attr("pruned", reason)
                break
        return reason

    def reason_to_prune(self, images: int, value: float, name: str) -> str:
        """Returns a phrase that compares a pruned trial's value with those of other trials after as many images."""
        score = f"{name} {value:.4g} at {images:,} images"
        if self.method.pruner == "hyperband":
            return f"{score} is not among the best of {REDUCTION} that came so far (hyperband)"
        others = [trial.intermediate_values[images] for trial in self.trials
                  if trial.state == TrialState.COMPLETE and images in trial.intermediate_values]
        percent = self.method.keeps_percent
        bound = numpy.percentile(others, percent if self.objective.direction == "minimize" else 100 - percent)
        which = "the median" if percent == 50 else f"the bound of the best {percent:g} %"
        return f"{score}, {which} of {len(others)} completed trial{'s' * (len(others) != 1)} is {bound:.4g} there"

    def tell(self, trial: Trial, state: str, reason: str, value: float | None) -> None:
        """Tells Optuna how a trial ended.

        Pruned and diverged trials count as worse than all completed ones, the later the better, so samplers learn from
        them. A trial that failed otherwise says nothing about its settings.
        """
        trial.set_user_attr("state", state)
        trial.set_user_attr("reason", reason)
        if state == "completed":
            self.study.tell(trial, value)
        else:
            tells_of_settings = state in ("pruned", "diverged")
            self.study.tell(trial, state=TrialState.PRUNED if tells_of_settings else TrialState.FAIL)

    def repeat(self, trial: Trial, first: FrozenTrial) -> None:
        """Gives a trial the scores and the end of `first`, which had the same settings: a run is a function of its
        settings."""
        for images, value in first.intermediate_values.items():
            trial.report(value, images)
        self.tell(trial, first.user_attrs["state"], first.user_attrs["reason"], first.value)


def distribution(dimension: Dimension) -> BaseDistribution:
    """Returns a dimension of the space as Optuna knows it."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.texts)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, int(dimension.step or 1))
    return FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)


class NoLock:
    """A lock for Optuna that locks nothing. The search has locked its directory already, and a lock file of Optuna's
    would stay there if the search is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None: ...


def open_study(journal: Path, direction: str, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """Returns the study in a journal, or a new one if it has none. Raises a RequestError if it cannot be read."""
    cut_torn_end(journal)
    try:
        storage = JournalStorage(JournalFileBackend(str(journal), NoLock()))
        if any(study.study_name == NAME for study in storage.get_all_studies()):
            return optuna.load_study(study_name=NAME, storage=storage, pruner=pruner)
        return optuna.create_study(storage=storage, study_name=NAME, direction=direction, pruner=pruner)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise RequestError(f"{journal} cannot be read ({type(error).__name__}: {error}): choose another "
                           "hydra.sweep.dir") from error


def cut_torn_end(journal: Path) -> None:
    """Cuts a last line off that was not written to its end, e.g. when the power failed. Optuna would append to it."""
    if journal.exists():
        whole_lines, newline, torn_line = journal.read_bytes().rpartition(b"\n")
        if torn_line:
            with journal.open("r+b") as file:
                file.truncate(len(whole_lines + newline))


def refuse_another(directory: Path, known: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Raises a RequestError that names the first part in which a search differs from the one in the directory."""
    part = next(part for part in description if known.get(part) != description[part])
    was, now = known.get(part), description[part]
    if isinstance(now, list) and isinstance(was, list):
        was, now = ([each for each in these if each not in those] for these, those in ((was, now), (now, was)))
    raise RequestError(f"hydra.sweep.dir={directory} holds a search of another {part}: {as_words(was)} there, "
                       f"{as_words(now)} now. Type the same as there to go on, or choose another directory")


def as_words(value: Any) -> str:
    return " ".join(value) or "nothing" if isinstance(value, list) else str(value)
