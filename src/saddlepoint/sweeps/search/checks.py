"""Searches that cannot be, in a sentence, before anything is written. Imports neither torch nor Optuna."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict

from saddlepoint.config.check import checked_settings
from saddlepoint.config.paths import at, leaves
from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search.space import Space, judges


def refuse(config: DictConfig) -> None:
    sweeper = OmegaConf.to_container(config.hydra.sweeper)
    checked_settings(OmegaConf.create({"hydra": {"sweeper": {**sweeper, "space": None}}}))
    launcher = config.hydra.runtime.choices["hydra/launcher"]
    if launcher != "processes":
        raise RequestError(f"hydra/launcher={launcher} cannot end a trial early: a search runs its trials as processes "
                           "of its own, so leave it out; hydra.launcher.jobs_at_once= says how many at once")
    if find_spec("optuna") is None:
        raise RequestError("hydra/sweeper=search needs a package: pip install 'saddlepoint[search]'")


def refuse_again(again: Sequence[str]) -> None:
    final = [state for state in again if state in ("refused", "diverged")]
    if final:
        raise RequestError(f"hydra.launcher.again={','.join(final)} has no meaning in a search, which has learnt from "
                           "these ends: leave it out, or choose another hydra.sweep.dir")


def shared_settings(space: Space, config: DictConfig, loader: ConfigLoader) -> dict:
    """-> the settings of a trial in the first corner of the space. A slip in any corner is answered here, instead of
    by the trials; so is a choice that brings another evaluator along."""
    first = None
    for overrides in space.corners():
        trial = loader.load_sweep_config(config, list(overrides))
        with open_dict(trial):
            del trial["hydra"]
        settings = checked_settings(trial)
        first = first or settings
        refuse_unlike_judges(space, first, settings)
    return first


def refuse_unlike_judges(space: Space, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    apart = [path for path in dict.fromkeys([*leaves(one), *leaves(other)])
             if _is_judge(path) and at(one, path) != at(other, path)]
    if apart:
        more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
        raise RequestError(f"The trials of {', '.join(map(str, space.dimensions))} would differ in "
                           f"{', '.join(apart[:3])}{more}, which decide what a score means, and scores of unlike "
                           "protocol have no best one: search what leaves them as they are")


def _is_judge(path: str) -> bool:
    """Of the callbacks, those that measure"""
    return judges(path) and (not path.startswith("callbacks.") or "_quality." in path)
