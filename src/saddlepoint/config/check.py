"""Checks settings: types, ranges, spelling. Imports no torch, so a slip is answered in under a second.

A component's settings have the rules of its constructor, those of commands have theirs in setting_rules.py; a test
keeps it so. Settings of classes from elsewhere (another optimizer, say) pass when they are finite; build.py asks the
class about their names.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from saddlepoint.config import extensions
from saddlepoint.config.component_checks import complaints
from saddlepoint.config.paths import at, leaves
from saddlepoint.config.rules import Rule, nearest
from saddlepoint.config.spelling import word
from saddlepoint.errors import RequestError

PARTS_OF_A_MODEL = ("generator", "discriminator", "module", "turns")
# Lists of names, and where the settings of what they name stand.
NAMES = {"trick": "tricks", "metric": "metrics", "callbacks.sample_quality.metric": "metrics"}


def checked_settings(config: DictConfig, own_rules: Mapping[str, Rule] | None = None) -> dict[str, Any]:
    """Returns the resolved configuration as plain containers. Raises a RequestError with every complaint about it.

    own_rules: rules of settings that mean something else to this command than to others
    """
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    put_single_names_in_lists(settings)
    if isinstance(settings.get("extensions"), str):
        settings["extensions"] = [settings["extensions"]]
    unresolved = OmegaConf.to_container(config)
    # A value written as ${...} is somebody else's and complained about there.
    elsewhere = {path for path in leaves(unresolved) if str(at(unresolved, path)).startswith("${")}
    refusals = [*map(str, complaints(settings, skip=elsewhere, own_rules=own_rules))]
    for path, holder in NAMES.items():
        names = at(settings, path)
        if isinstance(names, list) and holder in settings and all(isinstance(name, str) for name in names):
            refusals += _misspelt(path, names, list(settings[holder]))
    refusals += _missing_parts(settings)
    if not refusals:  # else it may not even be a list
        refusals += _extensions_too_late(settings.get("extensions") or ())
    if refusals:
        raise RequestError("\n".join(refusals))
    return settings


def put_single_names_in_lists(settings: Mapping[str, Any]) -> None:
    """Makes a list of a name typed without brackets: trick=ema means trick=[ema]."""
    for path in NAMES:
        parent, _, key = path.rpartition(".")
        if isinstance(at(settings, path), str):
            at(settings, parent)[key] = [at(settings, path)]


def _missing_parts(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each part of a game that the yaml file of a user's model leaves out."""
    model = settings.get("model")
    if not isinstance(model, Mapping):
        return
    for part in PARTS_OF_A_MODEL:
        if part not in model:
            yield f"model.{part} is missing: the yaml file of model= must have it, as conf/model/dcgan.yaml does"
    if "callbacks" not in settings:
        yield ("callbacks is missing: the yaml file of model= must choose them in its defaults, as "
               "conf/model/dcgan.yaml does: - /callbacks@_global_.callbacks: default")
    elif isinstance(settings["callbacks"], Mapping) and "checkpointing" not in settings["callbacks"]:
        names = ",".join(settings["callbacks"])
        yield (f"callbacks= lacks what every run has, its curves and checkpoints: type callbacks=[default,{names}], "
               f"with a model's own callbacks in the place of default, or callbacks=[none,{names}]")


def _extensions_too_late(folders: Sequence[str]) -> Iterator[str]:
    """Extensions bring yaml files, so they are found before any yaml file is put together."""
    for folder in folders:
        if folder not in extensions.typed():
            yield (f"extensions={folder} was found too late to be used: type extensions=[{folder}], or write it into "
                   "the yaml file of experiment=")


def chosen(choices: Mapping[str, str | None], config: Mapping[str, Any]) -> dict[str, str | None]:
    """Returns the option chosen from each group of ours, e.g. {"model": "dcgan", "data": "mnist5k"}. Several loggers,
    which Hydra does not list, are joined: csv+tensorboard."""
    several = {"logger": "+".join(config["logger"])} if "logger" in config else {}
    return several | {group: choice for group, choice in choices.items() if not group.startswith("hydra")}


def refuse_without_effect(settings: Mapping[str, Any], typed: Iterable[str], sweeping: bool = False) -> None:
    """Refuses typed settings of tricks that do not play in a new run. In a run of a sweep it warns of them, since
    another run may play them.

    settings: checked; those of a run that is resumed are merged with the run's own, so they are not looked at
    typed: overrides as Hydra lists them
    """
    sentences = [*_without_effect(settings, typed)] if settings["resume"] is None else []
    if sentences and not sweeping:
        raise RequestError("\n".join(sentences))
    for sentence in sentences:
        print(f"warning: {sentence}", file=sys.stderr)


def _without_effect(settings: Mapping[str, Any], typed: Iterable[str]) -> Iterator[str]:
    for override in typed:
        holder, _, rest = override.lstrip("+").partition(".")
        name = rest.partition(".")[0].partition("=")[0]
        if holder == "tricks" and name not in settings["trick"]:
            tricks = ",".join([*settings["trick"], name])
            yield (f"{override} has no effect, as trick=[{','.join(settings['trick'])}] does not play {name}: type "
                   f"{word(f'trick=[{tricks}]')}, or leave it out")


def _misspelt(path: str, names: list[str], known: list[str]) -> Iterator[str]:
    for index, name in enumerate(names):
        if name not in known:
            yield (f"{path}={name} does not exist{nearest(name, known)} ({path}= takes a list of {', '.join(known)}"
                   f"{extensions.reminder()})")
        elif name in names[:index]:
            yield f"{path}={name} is given twice: name it once"
