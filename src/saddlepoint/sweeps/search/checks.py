"""Refuses searches that cannot run before anything is written, with a sentence that says why. Imports neither torch
nor Optuna."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict

from saddlepoint.config.check import checked_settings
from saddlepoint.config.paths import at, leaves
from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search.space import Space, affects_scores


def refuse(config: DictConfig) -> None:
    """Raises a RequestError for invalid settings of the sweeper, another launcher, or if Optuna is not installed."""
    sweeper = OmegaConf.to_container(config.hydra.sweeper)
    checked_settings(OmegaConf.create({"hydra": {"sweeper": {**sweeper, "space": None}}}))
    launcher = config.hydra.runtime.choices["hydra/launcher"]
    if launcher != "processes":
        raise RequestError(f"hydra/launcher={launcher} cannot end a trial early: a search runs its trials as processes "
                           "of its own, so leave it out; hydra.launcher.jobs_at_once= says how many at once")
    if find_spec("optuna") is None:
        raise RequestError("hydra/sweeper=search needs a package: pip install 'saddlepoint[search]'")


def refuse_again(again: Sequence[str]) -> None:
    """Raises a RequestError if trials are to run again after ends that the sampler has learnt from."""
    final = [state for state in again if state in ("refused", "diverged")]
    if final:
        raise RequestError(f"hydra.launcher.again={','.join(final)} has no meaning in a search, which has learnt from "
                           "these ends: leave it out, or choose another hydra.sweep.dir")


def shared_settings(space: Space, config: DictConfig, loader: ConfigLoader) -> dict:
    """Returns the settings of a trial in the first corner of the space.

    Raises a RequestError for mistakes in any corner, so that not every trial has to, and if trials would be measured in
    different ways.
    """
    first = None
    for overrides in space.corners():
        trial = loader.load_sweep_config(config, list(overrides))
        with open_dict(trial):
            del trial["hydra"]
        settings = checked_settings(trial)
        first = first or settings
        refuse_different_measuring(space, first, settings)
    return first


def refuse_different_measuring(space: Space, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raises a RequestError if the scores of two trials with these settings cannot be compared."""
    paths = [path for path in dict.fromkeys([*leaves(one), *leaves(other)])
             if _affects_scores(path) and at(one, path) != at(other, path)]
    if paths:
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        raise RequestError(f"The trials of {', '.join(map(str, space.dimensions))} would differ in "
                           f"{', '.join(paths[:3])}{more}, which decide what a score means, and scores of unlike "
                           "protocol have no best one: search what leaves them as they are")


def _affects_scores(path: str) -> bool:
    is_other_callback = path.startswith("callbacks.") and "_quality." not in path  # it measures nothing
    return affects_scores(path) and not is_other_callback
