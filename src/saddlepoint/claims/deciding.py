"""Decides claims: which hold, which are contradicted, and which their runs leave undecided.

The interval is Student's t of the differences over seeds: of logarithms for a ratio, so that a ratio and its inverse
are decided alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

from saddlepoint.claims.claim import Arm, Claim, Effect
from saddlepoint.claims.measures import Turns, Values
from saddlepoint.claims.results import COMPLETED, Result
from saddlepoint.claims.typed_words import effective
from saddlepoint.comparison.statistics import summarise

HOLDS, CONTRADICTED, UNDECIDED, NOT_RUN = "holds", "contradicted", "undecided", "not run yet"
Runs = Mapping[tuple[str, int], Result]  # arm and seed -> the run that counts


@dataclass(frozen=True)
class Decision:
    """What the runs of a claim say about it."""

    claim: Claim
    runs: Runs
    verdict: str
    effects: Mapping[int, float]  # seed -> ratio or difference, or 1 if the run shows the pattern and 0 if not
    estimate: float | None = None  # the mean of the effects: of ratios the geometric one; of patterns their number
    interval: tuple[float, float] | None = None  # 95 %
    p: float | None = None  # one-sided, of effects no farther than the threshold; None: no such test

    @property
    def missing(self) -> int:
        """Returns how many runs are still to be made; arms with the same words share theirs."""
        wanted = len({effective(arm.words) for arm in self.claim.arms}) * self.claim.seeds
        return wanted - sum(run.stands for run in self.made)

    @property
    def made(self) -> list[Result]:
        """Returns the runs, each once."""
        return [*{run.order: run for run in self.runs.values()}.values()]

    @property
    def failures(self) -> dict[tuple[str, int], str]:
        """Returns arm and seed -> why this run has no value: it did not complete, or nothing was measured."""
        return {(arm.name, seed): why for arm in self.claim.arms for seed in range(self.claim.seeds)
                if (run := self.runs.get((arm.name, seed)))
                and (why := _why_no_value(run, arm) or self._why_no_ratio(run, arm))}

    def _why_no_ratio(self, run: Result, arm: Arm) -> str:
        is_ratio = isinstance(self.claim.holds_if, Effect) and self.claim.holds_if.quantity == "ratio"
        value = value_of(run, arm)
        return f"there is no ratio of {value:g}" if is_ratio and value <= 0 else ""


def decide(claim: Claim, runs: Runs) -> Decision:
    """Returns what the runs say. Before all of a claim's runs are over it is not decided, so that nobody stops at a
    lucky number of seeds, nor if one of them has no effect. A run that the machine failed is none that is over."""
    is_whole = len(runs) == len(claim.arms) * claim.seeds and all(run.stands for run in runs.values())
    if isinstance(claim.holds_if, Effect):
        decision = _of_effect(claim, claim.holds_if, runs)
    else:
        decision = _of_pattern(claim, runs)
    return decision if is_whole else Decision(claim, runs, NOT_RUN, decision.effects)


def value_of(run: Result, arm: Arm) -> Values | None:
    """Returns the value of a run that its arm asks for; None if it has none."""
    return run.values.get(arm.measure.key) if run.state == COMPLETED else None


def _why_no_value(run: Result, arm: Arm) -> str:
    if run.state != COMPLETED:
        return f"{run.state}{f': {run.reason}' if run.reason else ''}"
    if value_of(run, arm) is None:
        return run.lacking.get(arm.measure.key, f"{arm.measure.key} was not measured")
    return ""


def _of_effect(claim: Claim, threshold: Effect, runs: Runs) -> Decision:
    is_ratio = threshold.quantity == "ratio"
    scale, back = (log, exp) if is_ratio else (float, float)
    differences = {}
    for seed in range(claim.seeds):
        first, second = (value_of(runs[arm.name, seed], arm) if (arm.name, seed) in runs else None
                         for arm in claim.arms)
        if first is not None and second is not None and not (is_ratio and min(first, second) <= 0):
            differences[seed] = scale(first) - scale(second)
    effects = {seed: back(each) for seed, each in differences.items()}
    if len(differences) < 2:
        return Decision(claim, runs, UNDECIDED, effects)
    summary, bound = summarise([*differences.values()]), scale(threshold.value)
    low, high = summary.interval
    verdict, p = _verdict(low, high, bound, threshold), p_beyond([*differences.values()], bound, threshold.is_lower)
    if len(differences) < claim.seeds:  # those that have no value may be the worst of their arm
        verdict, p = UNDECIDED, None
    return Decision(claim, runs, verdict, effects, back(summary.mean), (back(low), back(high)), p)


def _verdict(low: float, high: float, bound: float, threshold: Effect) -> str:
    """Returns what an interval says; at 0 there is no effect, on either scale."""
    if threshold.is_lower:
        is_beyond, is_reverse = (high < bound if threshold.bound == "below" else high <= bound), low > 0
    else:
        is_beyond, is_reverse = (low > bound if threshold.bound == "above" else low >= bound), high < 0
    return HOLDS if is_beyond else CONTRADICTED if is_reverse else UNDECIDED


def p_beyond(values: Sequence[float], bound: float, lower: bool) -> float:
    """Returns the one-sided p of a t test: how probable means as far beyond the bound are if the true mean is at it.

    lower: beyond is below the bound
    """
    from scipy.special import stdtr  # the import takes a third of a second

    summary = summarise(values)
    distance = (bound - summary.mean) if lower else (summary.mean - bound)
    if summary.deviation == 0:  # all seeds agree
        return 0.0 if distance > 0 else 1.0
    return float(stdtr(summary.count - 1, -distance / (summary.deviation / sqrt(summary.count))))


def _of_pattern(claim: Claim, runs: Runs) -> Decision:
    [arm] = claim.arms
    turns: Turns = arm.measure
    shown = {seed: float(turns.shows(means)) for (_, seed), run in runs.items()
             if (means := value_of(run, arm)) is not None}
    count = sum(shown.values())
    none_does = not count and len(shown) == claim.seeds
    verdict = HOLDS if count >= claim.holds_if.value else CONTRADICTED if none_does else UNDECIDED
    return Decision(claim, runs, verdict, dict(sorted(shown.items())), count)


def holm(ps: Sequence[float]) -> list[float]:
    """Returns p values corrected for their number (Holm 1979, https://www.jstor.org/stable/4615733): the smallest of m
    times m, the next times m - 1 and so on, none below the one before it, and at most 1."""
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    corrected, greatest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        greatest = max(greatest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = greatest
    return corrected

