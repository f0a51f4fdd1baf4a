"""Ranges, finiteness and spelling of settings. Needs no torch, so a slip is answered in under a second.

Every setting that the project's own yaml files hold has a rule in setting_rules.py; a test keeps it so. Settings of
classes from elsewhere (another optimizer, say) pass when they are finite; build.py asks the class about their names.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from saddlepoint.config import extensions
from saddlepoint.config.paths import at, leaves
from saddlepoint.config.rules import Rule, as_typed, finite, nearest
from saddlepoint.config.setting_rules import rule_for
from saddlepoint.errors import RequestError

# Lists of names, and where the settings of what they name stand.
NAMES = {"trick": "tricks", "metric": "metrics", "callbacks.sample_quality.metric": "metrics"}


def checked_settings(config: DictConfig, own_rules: Mapping[str, Rule] | None = None) -> dict[str, Any]:
    """The resolved configuration as plain containers; every complaint about it at once. `own_rules`: for settings that
    mean something else to this command than to others."""
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    for path in NAMES:
        parent, _, key = path.rpartition(".")
        if isinstance(at(settings, path), str):  # trick=ema means trick=[ema]
            at(settings, parent)[key] = [at(settings, path)]
    if isinstance(settings.get("extensions"), str):
        settings["extensions"] = [settings["extensions"]]
    complaints = [*_bad_values(settings, OmegaConf.to_container(config), own_rules or {})]
    for path, holder in NAMES.items():
        names = at(settings, path)
        if isinstance(names, list) and holder in settings and rule_for(path)(names) is None:
            complaints += _misspelt(path, names, list(settings[holder]))
    if not complaints:  # else it may not even be a list
        complaints += _extensions_too_late(settings.get("extensions") or ())
    if complaints:
        raise RequestError("\n".join(complaints))
    return settings


def _extensions_too_late(folders: Sequence[str]) -> Iterator[str]:
    """Extensions bring yaml files, so they are found before any yaml file is put together."""
    for folder in folders:
        if folder not in extensions.typed():
            yield (f"extensions={folder} was found too late to be used: type extensions=[{folder}], or write it into "
                   "the yaml file of experiment=")


def chosen(choices: Mapping[str, str | None], config: Mapping[str, Any]) -> dict[str, str | None]:
    """What was chosen from each group of ours, e.g. {"model": "dcgan", "data": "mnist5k"}. Of several loggers, which
    Hydra does not list, the names: csv+tensorboard"""
    several = {"logger": "+".join(config["logger"])} if "logger" in config else {}
    return several | {group: choice for group, choice in choices.items() if not group.startswith("hydra")}


def _misspelt(path: str, names: list[str], known: list[str]) -> Iterator[str]:
    for index, name in enumerate(names):
        if name not in known:
            yield f"{path}={name} does not exist{nearest(name, known)} ({path}= takes a list of {', '.join(known)})"
        elif name in names[:index]:
            yield f"{path}={name} is given twice: name it once"


def _bad_values(settings: Mapping[str, Any], unresolved: Mapping[str, Any],
                own_rules: Mapping[str, Rule]) -> Iterator[str]:
    """A value written as ${...} is somebody else's and complained about there."""
    for path in leaves(settings):
        parent, _, name = path.rpartition(".")
        if name.startswith("_") or str(at(unresolved, path)).startswith("${"):
            continue
        value, rule = at(settings, path), own_rules.get(path) or rule_for(path)
        if rule is None and _is_foreign(at(settings, parent)):
            must_be = finite(value)
        elif rule is None:
            others = [other for other in leaves(settings) if other != path]
            must_be = f"removed: it is not a setting{nearest(path, others)}"
        else:
            must_be = rule(value)
        if must_be:
            yield f"{path}={as_typed(value)} must be {must_be}"


def _is_foreign(holder: Any) -> bool:
    return isinstance(holder, Mapping) and not str(holder.get("_target_", "saddlepoint.")).startswith("saddlepoint.")
