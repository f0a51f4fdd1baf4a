"""Ranges, finiteness and spelling of settings. Needs no torch, so a slip is answered in under a second.

Every setting that the project's own yaml files hold has a rule in setting_rules.py; a test keeps it so. Settings of
classes from elsewhere (another optimizer, say) pass when they are finite; build.py asks the class about their names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from saddlepoint.errors import RequestError
from saddlepoint.setting_rules import as_typed, finite, nearest, rule_for


def checked_settings(config: DictConfig, choices: Mapping[str, str | None]) -> dict[str, Any]:
    """The resolved configuration as plain containers, with what was chosen from each group under `choices`."""
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    settings["trick"] = [settings["trick"]] if isinstance(settings["trick"], str) else settings["trick"] or []
    complaints = [*_misspelt_tricks(settings), *_bad_values(settings)]
    if complaints:
        raise RequestError("\n".join(complaints))
    settings["choices"] = {group: choice for group, choice in choices.items() if not group.startswith("hydra")}
    return settings


def leaves(settings: Any, path: str = "", inner: bool = False) -> Iterator[str]:
    """Dotted paths of all values; `inner`: of the dictionaries that hold them as well."""
    if isinstance(settings, Mapping) and settings:
        if inner and path:
            yield path
        for key, value in settings.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key), inner)
    elif path:
        yield path


def _misspelt_tricks(settings: Mapping[str, Any]) -> Iterator[str]:
    known = list(settings["tricks"])
    for index, name in enumerate(settings["trick"]):
        if name not in known:
            yield f"trick={name} does not exist{nearest(str(name), known)} (trick= takes a list of {', '.join(known)})"
        elif name in settings["trick"][:index]:
            yield f"trick={name} is given twice: name it once"


def _bad_values(settings: Mapping[str, Any]) -> Iterator[str]:
    for path in leaves(settings):
        parent, _, name = path.rpartition(".")
        value, holder = _at(settings, path), _at(settings, parent)
        if name.startswith("_"):
            continue
        rule = rule_for(path)
        if rule is None:
            foreign = isinstance(holder, Mapping) and "_target_" in holder
            must_be = finite(value) if foreign else f"removed: it is not a setting{nearest(path, leaves(settings))}"
        else:
            must_be = rule(value)
        if must_be:
            yield f"{path}={as_typed(value)} must be {must_be}"


def _at(settings: Mapping[str, Any], path: str) -> Any:
    for key in path.split(".") if path else ():
        settings = settings[key]
    return settings
