"""Rows and what tells them apart: runs of one recipe are one row over seeds, named by the settings that differ.

A choice (model=resnet) brings many settings with it. They are not shown beside it unless they differ among runs of the
same choice, or without it; those left out are listed, since what differs with a choice may be what made the difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saddlepoint.config.paths import at
from saddlepoint.config.rules import as_typed
from saddlepoint.runs.recipe import identity, of_data, recipe
from saddlepoint.runs.record import Run

ALWAYS_CHOSEN = ("experiment", "model", "data", "loss", "optimizer")
USED_IN = {"perceptual": "perceptual", "degradation": "data.degradation"}  # chosen too, and used by few
PLAYERS = ("generator", "discriminator")
PLACES_OF_DATA = ("data.root", "data.low_root")
OF_DATA = ("data.images", "data.digest")
EXPLAIN_DATA = ("channels", "image_size", "num_classes")  # of networks: interpolated from the data
ABSENT = object()  # a setting that this run does not have


@dataclass(frozen=True)
class Differences:
    settings: tuple[str, ...]  # columns, e.g. ("loss", "trick", "budget.images")
    values: tuple[tuple[str, ...], ...]  # of each recipe, as typed; – where it has no such setting
    brought_along: tuple[str, ...]  # settings that differ as well, with one of the choices above


def rows(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs of one recipe together, by seed; recipes in the order of their directories' names."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(identity(run.settings, run.data), []).append(run)
    return [sorted(group, key=lambda run: (run.seed is None, run.seed, run.name)) for group in groups.values()]


def differences(recipes: Sequence[Run]) -> Differences:
    """recipes: one run of each"""
    known = [_known(run, places) for run, places in zip(recipes, _places(recipes), strict=True)]
    differing = [path for path in dict.fromkeys(path for each in known for path in each)
                 if len({repr(each.get(path, ABSENT)) for each in known}) > 1]
    shown = [path for path in differing if not _explained(path, known, differing)]
    along = [path for path in differing if path not in shown and not path.endswith("_target_")]
    columns = _of_both_players({path: tuple(typed(each.get(path, ABSENT)) for each in known) for path in shown})
    return Differences(tuple(columns), tuple(zip(*columns.values(), strict=True)) or ((),) * len(known), tuple(along))


def _of_both_players(columns: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """optimizer.*.lr for that of the generator and of the discriminator, where both are the same in every row."""
    merged: dict[str, tuple[str, ...]] = {}
    for path, values in columns.items():
        group, *rest = path.split(".")
        if len(rest) > 1 and rest[0] in PLAYERS:
            twins = [".".join([group, player, *rest[1:]]) for player in PLAYERS]
            path = ".".join([group, "*", *rest[1:]]) if all(columns.get(twin) == values for twin in twins) else path
        merged[path] = values
    return merged


def typed(value: Any) -> str:
    if value is ABSENT:
        return "–"
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    return f"{value:g}" if isinstance(value, float) else as_typed(value)


def _places(recipes: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each: where its data lay in the first run with these data, since a reader knows a set by its folder"""
    first: dict[str, dict[str, Any]] = {}
    for run in recipes:
        places = {path: at(run.settings, path) for path in PLACES_OF_DATA}
        first.setdefault(repr(of_data(run.data)), {path: place for path, place in places.items() if place is not None})
    return [first[repr(of_data(run.data))] if run.data else {} for run in recipes]


def _known(run: Run, places: Mapping[str, Any]) -> dict[str, Any]:
    """Choices first, then tricks, then every setting."""
    settings = places | of_data(run.data) | recipe(run.settings)
    used = [group for group, holder in USED_IN.items() if at(run.settings, holder) is not None]
    chosen = {group: run.choices[group] for group in (*ALWAYS_CHOSEN, *used) if group in run.choices}
    tricks = {"trick": settings.pop("trick")} if "trick" in settings else {}
    return chosen | tricks | settings


def _explained(path: str, known: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> bool:
    """Among recipes that agree in what explains it, it does not differ."""
    explaining = [each for each in _explaining(path) if each in differing and each != path]
    found: dict[str, str] = {}
    return bool(explaining) and all(
        found.setdefault(repr([each.get(other, ABSENT) for other in explaining]), value) == value
        for each, value in ((each, repr(each.get(path, ABSENT))) for each in known))


def _explaining(path: str) -> list[str]:
    """What may bring a setting along: the experiment, the choice of its group, what it is interpolated from."""
    group, _, rest = path.partition(".")
    others = ["experiment"]
    if path in OF_DATA:
        others += PLACES_OF_DATA
    if rest:
        others.append("trick" if group == "tricks" else group)
    if rest and group == "model" and path.rpartition(".")[2] in EXPLAIN_DATA:
        others.append("data")
    if path.startswith("data.degradation"):
        others.append("degradation")
    if path.endswith(".images") and path != "budget.images":
        others.append("budget.images")  # how long a schedule takes
    return others
