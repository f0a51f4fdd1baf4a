"""Reads claims: statements with the runs that decide them and the threshold beyond which they hold (claims/*.yaml)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saddlepoint.claims.entries import Entry, is_count, refuse_equal
from saddlepoint.claims.measures import CurveMean, LastValue, Measure, Turns, ValueAt
from saddlepoint.claims.measuring import FOLDERS, CommandValue
from saddlepoint.claims.typed_words import Words, effective
from saddlepoint.errors import RequestError

COMMON = "common"  # the name of the file that says what all claims' runs have in common
KEYS = ("number", "statement", "settings", "own_settings", "arms", "at", "metric", "curve", "over",
        "pattern", "measured_by", "seeds", "holds_if", "discussion")
PARTS_OF_MEASURED_BY = ("command", "settings", "of")


@dataclass(frozen=True)
class Effect:
    """A threshold of an effect: of the ratio or the difference of the first arm's value to the second's, seed by
    seed."""

    quantity: str  # ratio or difference
    bound: str  # at_most, at_least, below or above
    value: float

    @property
    def is_lower(self) -> bool:
        """Whether the claim is that the effect is small: the first arm's value is lower."""
        return self.bound in ("at_most", "below")

    @property
    def words(self) -> str:
        sign = {"at_most": "≤", "at_least": "≥", "below": "<", "above": ">"}[self.bound]
        return f"{self.quantity} {sign} {self.value:g}"


@dataclass(frozen=True)
class SeedCount:
    """A threshold of the number of runs that show a pattern."""

    value: int

    @property
    def words(self) -> str:
        return f"in {self.value} runs or more"


@dataclass(frozen=True)
class Arm:
    """One of the two recipes that a claim compares, or its only one."""

    name: str
    words: Words  # of its runs, as they are typed, without the seed
    measure: Measure


@dataclass(frozen=True)
class Claim:
    """A statement, the runs that decide it, and when it holds."""

    name: str  # of its file, without ending
    number: int  # its place on the page
    statement: str
    arms: tuple[Arm, ...]
    seeds: int  # each arm has the seeds 0 to seeds - 1
    holds_if: Effect | SeedCount
    discussion: str = ""

    @property
    def committed_part(self) -> "Claim":
        """Returns the claim without what may change after its runs: its number, its wording and its discussion."""
        arms = tuple(replace(arm, words=effective(arm.words)) for arm in self.arms)
        return replace(self, number=0, statement="", discussion="", arms=arms)


def read_claims(folder: Path) -> list[Claim]:
    """Returns the claims of a folder in the order of their numbers; raises a RequestError if any cannot be used."""
    common = Common(folder)
    claims = [read_claim(path, common) for path in sorted(folder.glob("*.yaml")) if path.stem != COMMON]
    if not claims:
        raise RequestError(f"claims={folder} holds no claim: name a folder of yaml files such as claims/r1.yaml")
    numbers = [claim.number for claim in claims]
    if twice := [claim for claim in claims if numbers.count(claim.number) > 1]:
        raise RequestError(f"{' and '.join(f'claims/{claim.name}.yaml' for claim in twice)} have the same number, "
                           f"{twice[0].number}: give each claim its own")
    return sorted(claims, key=lambda claim: claim.number)


class Common:
    """What all runs of a folder's claims have in common (common.yaml): settings, and the number of seeds."""

    def __init__(self, folder: Path):
        entry = Entry.of_file(folder / f"{COMMON}.yaml", ("settings", "seeds"))
        self.settings, self.seeds = entry.words("settings"), entry.count("seeds")


def read_claim(path: Path, common: Common) -> Claim:
    entry = Entry.of_file(path, KEYS)
    shared = () if entry.flag("own_settings") else common.settings
    settings = (*shared, *entry.words("settings", ()))
    kinds = {"metric": _last_values, "curve": _curve_means, "pattern": _turns, "measured_by": _command_values}
    kind = entry.one_of(*kinds)
    measures = kinds[kind](entry)
    names = [name for name, _ in entry.items("arms")]
    arms = entry.part("arms", names)
    effect = _threshold(entry, kind)
    _refuse_number_of_arms(entry, len(names), effect)
    _refuse_without_effect(entry, kind)
    seeds = entry.count("seeds", common.seeds)
    least = effect.value if isinstance(effect, SeedCount) else 2
    if seeds < least:
        raise RequestError(f"{entry.where}: seeds={seeds} can never decide it: {least} are the fewest")
    for name in names:
        if not effective((*settings, *arms.words(name))):
            raise RequestError(f"{entry.where}: arms: {name} has no words, nor have settings, and a run is known by "
                               "those that were typed: name one, e.g. [loss=nonsaturating]")
    made = tuple(Arm(name, (*settings, *arms.words(name)), measures[name]) for name in names)
    refuse_equal(entry.where, ((arm.name, (effective(arm.words), arm.measure)) for arm in made))
    return Claim(path.stem, entry.count("number"), entry.text("statement"), made, seeds, effect,
                 entry.text("discussion", "").strip())


def _refuse_without_effect(entry: Entry, kind: str) -> None:
    for name, of in (("at", "metric"), ("over", "curve")):
        if name in entry and kind != of:
            raise RequestError(f"{entry.where}: {name} says at what of a {of} to look, and this claim has {kind}: "
                               "leave it out")


def _last_values(entry: Entry) -> dict[str, Measure]:
    metric, arms = entry.metric("metric"), [name for name, _ in entry.items("arms")]
    moments = dict(entry.items("at")) if "at" in entry else {}
    for name, images in moments.items():
        if name not in arms or not is_count(images, 1):
            raise RequestError(f"{entry.where}: at must say after how many images the value of an arm is read, e.g. "
                               f"{{{arms[0]}: 100000}}")
    return {name: ValueAt(metric, moments[name]) if name in moments else LastValue(metric) for name in arms}


def _curve_means(entry: Entry) -> dict[str, Measure]:
    span = entry.content.get("over")
    if not (isinstance(span, list) and len(span) == 2 and all(map(is_count, span)) and span[0] <= span[1]):
        raise RequestError(f"{entry.where}: over must be the images seen from which to which the curve counts, e.g. "
                           "[0, 12000]")
    return {name: CurveMean(entry.text("curve"), *span) for name, _ in entry.items("arms")}


def _turns(entry: Entry) -> dict[str, Measure]:
    pattern = entry.part("pattern", ("parts", "falls_then_rises", "rises_then_falls"))
    turns = Turns(pattern.count("parts", least=3), pattern.text("falls_then_rises"), pattern.text("rises_then_falls"))
    return {name: turns for name, _ in entry.items("arms")}


def _command_values(entry: Entry) -> dict[str, Measure]:
    arms, measured_by = [name for name, _ in entry.items("arms")], entry.part("measured_by", PARTS_OF_MEASURED_BY)
    command, of = measured_by.text("command"), measured_by.part("of", arms)
    if command not in FOLDERS:
        raise RequestError(f"{measured_by.where}: command={command} must be one of {', '.join(FOLDERS)}")
    return {name: CommandValue(command, measured_by.words("settings", ()), of.text(name)) for name in arms}


def _threshold(entry: Entry, kind: str) -> Effect | SeedCount:
    if kind == "pattern":
        return SeedCount(entry.part("holds_if", ("seeds",)).count("seeds"))
    holds_if = entry.part("holds_if", ("ratio", "difference"))
    quantity = holds_if.one_of("ratio", "difference")
    bounds = ("at_most", "at_least", "below", "above")
    part = holds_if.part(quantity, bounds)
    bound = part.one_of(*bounds)
    effect = Effect(quantity, bound, part.number(bound))
    none = 1.0 if quantity == "ratio" else 0.0  # no effect
    if quantity == "ratio" and effect.value <= 0:
        raise RequestError(f"{part.where}: {bound}={effect.value:g} must be above 0, as a ratio is")
    if (effect.value > none) if effect.is_lower else (effect.value < none):
        raise RequestError(f"{part.where}: {bound}={effect.value:g} holds where there is no effect ({none:g}): choose "
                           f"a value {'below' if effect.is_lower else 'above'} it")
    return effect


def _refuse_number_of_arms(entry: Entry, count: int, threshold: Any) -> None:
    wanted = 1 if isinstance(threshold, SeedCount) else 2
    if count != wanted:
        raise RequestError(f"{entry.where}: arms must be {wanted}, and are {count}" + (
            ": the value of the first is compared with that of the second" if wanted == 2 else ""))


def words_of(claims: Sequence[Claim]) -> dict[Words, Words]:
    """Returns effective words -> words as typed, of all arms; arms of several claims that share their runs are one."""
    return {effective(arm.words): arm.words for claim in claims for arm in claim.arms}
