"""Writes docs/claims.md: what became of each claim, from the results of its runs alone."""

from collections import Counter
from collections.abc import Sequence

from saddlepoint.claims.claim import Arm, Claim, Effect
from saddlepoint.claims.deciding import CONTRADICTED, HOLDS, NOT_RUN, UNDECIDED, Decision, holm, value_of
from saddlepoint.claims.measures import Turns
from saddlepoint.claims.measuring import CommandValue
from saddlepoint.claims.texts import (
    command,
    duration,
    failures,
    figure,
    made_on,
    middle,
    probability,
    span,
    table,
    total_minutes,
)
from saddlepoint.comparison.layout import NOTHING
from saddlepoint.comparison.report.rows import plural

ALPHA = 0.025  # of one side, as a 95 % interval has on each
HEAD = """# Claims

`python -m saddlepoint.commands.claims` has written this page (of an installation: `saddlepoint-claims`). Each claim is
a file in [claims/](../claims/common.yaml), committed with its threshold before the runs that decide it were made; a run
whose revision had another claim, or none, does not count. What every run that counts came to is in
[results.jsonl](../claims/results.jsonl), so that a fresh clone can write the page without runs.
[Comparing runs](comparing.md#claims) says how to add a claim.

- **{holds}**: the 95 % interval (Student's t, paired by seed; of logarithms for a ratio) lies wholly beyond the
  threshold. Of a pattern: enough runs show it.
- **{contradicted}**: it lies wholly on the other side of no effect (ratio 1, difference 0). Of a pattern: no run shows
  it.
- **{undecided}**: neither. So is an effect of which a run has no value, as it may be the worst of its arm, and a
  pattern that no run shows while one has no value. A claim without all of its runs is not decided, so that nobody
  stops at a lucky seed.
- p is one-sided, of a t test against the threshold, so a claim holds by itself where it is below 2.5 %; Holm's
  correction is for all claims below that have a p. Verdicts are each claim's own, without it.
- Minutes are by the clock: more than the run took where the machine was shared or the run suspended.
"""


def claims_page(decisions: Sequence[Decision]) -> str:
    """Returns the page's Markdown; the same results give the same text."""
    head = HEAD.format(holds=HOLDS, contradicted=CONTRADICTED, undecided=UNDECIDED)
    counts = Counter(each.verdict for each in decisions)
    counted = ", ".join(f"{counts[verdict]} {'hold' if verdict == HOLDS and counts[verdict] > 1 else verdict}"
                        for verdict in (HOLDS, CONTRADICTED, UNDECIDED, NOT_RUN) if counts[verdict])
    runs = [*{run.order: run for each in decisions for run in each.made}.values()]
    took = (f" {plural(len(runs), 'run')} took {duration(total_minutes(runs))}, added up, each on one core: "
            f"{made_on(runs)}." if runs else "")
    sections = [f"{head}\nOf {len(decisions)} claims: {counted}.{_together(decisions)}{took}", _overview(decisions)]
    return "\n\n".join([*sections, *map(_section, decisions)]) + "\n"


def _corrected(decisions: Sequence[Decision]) -> dict[str, float]:
    """Returns claim -> its p after Holm's correction."""
    tested = [each for each in decisions if each.p is not None]
    return {each.claim.name: p for each, p in zip(tested, holm([each.p for each in tested]), strict=True)}


def _together(decisions: Sequence[Decision]) -> str:
    """Returns how many of the claims that hold do so in the company of the others."""
    corrected = _corrected(decisions)
    ps = [corrected[each.claim.name] for each in decisions if each.verdict == HOLDS and each.claim.name in corrected]
    if not ps:
        return ""
    passing = sum(p < ALPHA for p in ps)
    return f" Of those that hold, {passing} of {len(ps)} pass {100 * ALPHA:g} % after Holm's correction."


def _overview(decisions: Sequence[Decision]) -> str:
    corrected = _corrected(decisions)
    header = ("#", "claim", "medians", "effect [95 %]", "holds if", "verdict", "p", "p (Holm)", "minutes")
    return table(header, [(
        str(each.claim.number), each.claim.statement, _medians(each), _effect(each), each.claim.holds_if.words,
        _verdict(each), probability(each.p), probability(corrected.get(each.claim.name)),
        figure(round(total_minutes(each.made))) if each.runs else NOTHING) for each in decisions], words=6)


def _verdict(decision: Decision) -> str:
    notes = []
    if decision.failures:
        notes.append(f"{len(decision.failures)} of {len(decision.runs)} runs without a value, see below")
    if decision.missing and decision.runs:
        notes.append(f"{plural(decision.missing, 'run')} to be made")
    return f"{decision.verdict} ({'; '.join(notes)})" if notes else decision.verdict


def _medians(decision: Decision) -> str:
    if not decision.runs or not isinstance(decision.claim.holds_if, Effect):
        return NOTHING
    return "; ".join(f"{arm.name} {figure(middle(_values(decision, arm)))}" for arm in decision.claim.arms)


def _values(decision: Decision, arm: Arm) -> list[float]:
    values = [value_of(run, arm) for (name, _), run in sorted(decision.runs.items()) if name == arm.name]
    return [value for value in values if isinstance(value, int | float)]


def _effect(decision: Decision) -> str:
    if not isinstance(decision.claim.holds_if, Effect):
        return f"{sum(decision.effects.values()):.0f} of {len(decision.runs)} runs" if decision.runs else NOTHING
    if decision.estimate is None:
        return NOTHING
    return f"{figure(decision.estimate)} {span(decision.interval)}"


def _section(decision: Decision) -> str:
    claim = decision.claim
    parts = [f"## Claim {claim.number}: {claim.name.replace('_', ' ')}", claim.statement,
             f"[claims/{claim.name}.yaml](../claims/{claim.name}.yaml): {_what_is_compared(claim)}. "
             f"**{_verdict(decision)[0].upper()}{_verdict(decision)[1:]}.**"]
    if decision.runs:
        parts.append(_of_seeds(decision))
    if decision.failures:
        parts.append("Without a value: " + " ".join(failures(decision.failures)))
    typed = dict.fromkeys(command(arm.words) for arm in claim.arms)
    parts += [f"One run of {'each arm' if len(typed) > 1 else 'it'}, seed 0:", "\n".join(typed)]
    if measured := [arm.measure for arm in claim.arms if isinstance(arm.measure, CommandValue)]:
        lines = dict.fromkeys(f"    {each.line('RUN')}" for each in measured)
        parts += ["Of each run the values are measured by:", "\n".join(lines)]
    return "\n\n".join([*parts, *filter(None, [claim.discussion])])


def _what_is_compared(claim: Claim) -> str:
    keys = " against ".join(dict.fromkeys(arm.measure.key for arm in claim.arms))
    what = (f"{claim.holds_if.quantity} of {claim.arms[0].name} to {claim.arms[1].name}"
            if isinstance(claim.holds_if, Effect) else "pattern")
    seeds = f"{claim.seeds} seed{'s' * (claim.seeds > 1)}"
    return f"{keys}, {what}, {seeds}; holds if {claim.holds_if.words}"


def _of_seeds(decision: Decision) -> str:
    claim = decision.claim
    if isinstance(claim.holds_if, Effect):
        rows = [[str(seed), *(_cell(decision, arm, seed) for arm in claim.arms), figure(decision.effects.get(seed))]
                for seed in range(claim.seeds)]
        return table(["seed", *(arm.name for arm in claim.arms), claim.holds_if.quantity], rows)
    [arm] = claim.arms
    turns: Turns = arm.measure
    rows = []
    for seed in range(claim.seeds):
        run = decision.runs.get((arm.name, seed))
        means = value_of(run, arm) if run else None
        halves = (means[:turns.parts], means[turns.parts:]) if means else ((), ())
        shown = {1.0: "yes", 0.0: "no"}.get(decision.effects.get(seed), NOTHING)
        rows.append([str(seed), *(" ".join(map(figure, half)) or NOTHING for half in halves), shown])
    return table(["seed", turns.falls_then_rises, turns.rises_then_falls, "shown"], rows, words=4)


def _cell(decision: Decision, arm: Arm, seed: int) -> str:
    run = decision.runs.get((arm.name, seed))
    if run is None:
        return NOTHING
    value = value_of(run, arm)
    return figure(value) if value is not None else run.state
