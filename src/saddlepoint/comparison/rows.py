"""Groups runs into rows and finds the settings that distinguish them. A row is one recipe with all its seeds.

A choice (model=resnet) brings many settings with it. They are not shown beside it unless they differ among runs of the
same choice, or without it; those left out are listed, since what differs with a choice may be what made the difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saddlepoint.config.paths import at
from saddlepoint.config.rules import as_typed
from saddlepoint.runs.recipe import DATA_SEED, data_settings, key_with_data_seed, recipe, recipe_key
from saddlepoint.runs.record import Run

ALWAYS_CHOSEN = ("experiment", "model", "data", "loss", "optimizer")
# Choices of few runs -> where they stand.
USED_IN = {"perceptual": "perceptual", "degradation": "data.degradation", "data/pair": "data.pair"}
CHOSEN_OF_TRICKS = ("policy",)  # tricks.<name>.policy=NAME
PLAYERS = ("generator", "discriminator")
PLACES_OF_DATA = ("data.root", "data.low_root", "data.source_root")
OF_DATA = ("data.images", "data.digest")
# Settings of networks that are interpolated from the data.
SET_BY_DATA = ("channels", "source_channels", "image_size", "dimensions", "edge", "num_classes")
ABSENT = object()  # stands for a setting that a run does not have


@dataclass(frozen=True)
class Differences:
    """The settings in which recipes differ, and each recipe's values of them."""

    settings: tuple[str, ...]  # columns, e.g. ("loss", "trick", "budget.images")
    values: tuple[tuple[str, ...], ...]  # of each recipe, as typed; – where it has no such setting
    brought_along: tuple[str, ...]  # settings that differ only because one of the choices above does


def group_by_recipe(runs: Iterable[Run]) -> list[list[Run]]:
    """Returns the runs of each recipe, sorted by seed; recipes keep the order in which `runs` has them.

    A run with seed=0 and data.seed=0 may be one of data.seed=0 or one whose data follow its seed. It counts as the
    former if other seeds have data.seed=0 too, and if that is so of all runs that may be of the latter.
    """
    keyed = [(run, recipe_key(run.settings, run.data)) for run in runs]
    seeds: dict[Any, set[int | None]] = {}
    for run, key in keyed:
        seeds.setdefault(key, set()).add(run.seed)
    groups: dict[Any, list[Run]] = {}
    for run, key in keyed:
        all_fixed = all(key_with_data_seed(key, seed) in seeds for seed in seeds[key])
        groups.setdefault(key_with_data_seed(key, run.seed) if all_fixed else key, []).append(run)
    return [sorted(group, key=lambda run: (run.seed is None, run.seed, run.name)) for group in groups.values()]


def representative(group: Sequence[Run]) -> Run:
    """Returns a run whose settings tell the recipe of a group: the first one, or the first whose data.seed is not its
    seed."""
    return max(group, key=lambda run: at(run.settings, DATA_SEED) != run.seed)


def find_differences(recipes: Sequence[Run]) -> Differences:
    """Returns the settings in which recipes differ. Each recipe is given by one of its runs."""
    known = [_known_settings(run, places) for run, places in zip(recipes, _places(recipes), strict=True)]
    differing = [path for path in dict.fromkeys(path for each in known for path in each)
                 if len({repr(each.get(path, ABSENT)) for each in known}) > 1]
    shown = [path for path in differing if not _is_explained(path, known, differing)]
    brought_along = [path for path in differing if path not in shown and not path.endswith("_target_")]
    columns = _merge_players({path: tuple(format_value(each.get(path, ABSENT)) for each in known) for path in shown})
    return Differences(tuple(columns), tuple(zip(*columns.values(), strict=True)) or ((),) * len(known),
                       tuple(brought_along))


def _merge_players(columns: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Replaces the columns optimizer.generator.lr and optimizer.discriminator.lr by one, optimizer.*.lr, where both are
    equal in every row."""
    merged: dict[str, tuple[str, ...]] = {}
    for path, values in columns.items():
        group, *rest = path.split(".")
        if len(rest) > 1 and rest[0] in PLAYERS:
            twins = [".".join([group, player, *rest[1:]]) for player in PLAYERS]
            path = ".".join([group, "*", *rest[1:]]) if all(columns.get(twin) == values for twin in twins) else path
        merged[path] = values
    return merged


def format_value(value: Any) -> str:
    """Returns a setting's value as it is typed, floats with six digits at most; – for an absent one."""
    if value is ABSENT:
        return "–"
    if isinstance(value, list):
        return f"[{','.join(map(format_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else as_typed(value)


def _places(recipes: Sequence[Run]) -> list[dict[str, Any]]:
    """Returns for each recipe the settings that say where its data lie. Recipes with the same data get the place of the
    first of them: a reader knows a data set by its folder, and a copy elsewhere is no difference."""
    first: dict[str, dict[str, Any]] = {}
    for run in recipes:
        places = {path: at(run.settings, path) for path in PLACES_OF_DATA}
        first.setdefault(repr(data_settings(run.data)),
                         {path: place for path, place in places.items() if place is not None})
    return [first[repr(data_settings(run.data))] if run.data else {} for run in recipes]


def _known_settings(run: Run, places: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what recipes are compared by, in the order of the columns: choices, tricks, all other settings."""
    settings = places | data_settings(run.data) | recipe(run.settings)
    used = [group for group, holder in USED_IN.items() if at(run.settings, holder) is not None]
    chosen = {group: run.choices[group] for group in (*ALWAYS_CHOSEN, *used) if group in run.choices}
    tricks = {"trick": settings.pop("trick")} if "trick" in settings else {}
    return chosen | tricks | _chosen_of_tricks(run, tricks.get("trick") or ()) | settings


def _chosen_of_tricks(run: Run, tricks: Iterable[str]) -> dict[str, str]:
    """Returns what was chosen for tricks that play, as it is typed, e.g. {"tricks.augment.policy": "ada"}."""
    return {f"tricks.{trick}.{name}": run.choices[choice] for trick in tricks for name in CHOSEN_OF_TRICKS
            if (choice := f"tricks/{trick}/{name}@tricks.{trick}") in run.choices}


def _is_explained(path: str, known: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> bool:
    """Returns whether a setting is a function of those that may bring it along: recipes that agree in them agree in
    it."""
    causes = [cause for cause in _causes(path) if cause in differing and cause != path]
    value_by_causes: dict[str, str] = {}
    return bool(causes) and all(
        value_by_causes.setdefault(repr([each.get(cause, ABSENT) for cause in causes]), value) == value
        for each, value in ((each, repr(each.get(path, ABSENT))) for each in known))


def _causes(path: str) -> list[str]:
    """Returns what may bring a setting along: the experiment, the choice of its group, what it is interpolated from."""
    group, _, rest = path.partition(".")
    causes = ["experiment"]
    if path in OF_DATA:
        causes += PLACES_OF_DATA
    if rest:
        causes.append("trick" if group == "tricks" else group)
    if group == "tricks":
        causes += [f"tricks.{rest.partition('.')[0]}.{name}" for name in CHOSEN_OF_TRICKS]
    if rest and group == "model" and path.rpartition(".")[2] in SET_BY_DATA:
        causes.append("data")
    if path.startswith("data.pair") or path.rpartition(".")[2] == "source_channels":
        causes.append("data/pair")
    if path.startswith("data.degradation"):
        causes.append("degradation")
    if path.endswith(".images") and path != "budget.images":
        causes.append("budget.images")  # how long a schedule takes
    return causes
