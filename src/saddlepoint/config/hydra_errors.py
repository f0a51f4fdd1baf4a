"""Turns refusals of Hydra and OmegaConf into sentences that name the setting and the nearest valid one."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from saddlepoint.config import extensions
from saddlepoint.config.component_checks import signature_of_ours
from saddlepoint.config.folders import offering_options, settings_folder
from saddlepoint.config.overrides import CLASSES, PATH_SETTINGS, is_sweeping, overrides_in, parse, quote_path
from saddlepoint.config.paths import at, leaves
from saddlepoint.config.rules import as_typed, nearest
from saddlepoint.config.spelling import MISSING, quoted, without_interpolation, word

PLUGINS = {"hydra/launcher=submitit_slurm": "hydra-submitit-launcher",
           "hydra/launcher=submitit_local": "hydra-submitit-launcher", "hydra/launcher=ray": "hydra-ray-launcher",
           "hydra/launcher=joblib": "hydra-joblib-launcher"}
OF_A_RUN = ("evaluate", "sample", "export")  # commands that are given one
SEARCH = "hydra/sweeper=search"
UNRESOLVED = (InterpolationResolutionError, GrammarParseError, MissingMandatoryValue)


def explain(refusal: Exception, arguments: list[str], config_name: str) -> str:
    """Returns the sentences on why Hydra or OmegaConf refused these arguments of a command."""
    sweeping = is_sweeping(arguments)
    overrides = [quote_path(override, sweeping) for override in overrides_in(arguments)]
    try:
        parsed = parse(overrides)
    except OverrideParseException as error:
        return (f"{error.override} cannot be read: {str(error).splitlines()[0]}. Put the whole setting in quotes, e.g. "
                "'trick=[r1,ema]'")
    several = [override for override in parsed if override.is_sweep_override()]
    if several and not sweeping:
        return "\n".join(map(_has_several, several))
    intervals = [override for override in parsed if override.is_interval_sweep()]
    if intervals and SEARCH not in overrides:
        return "\n".join(f"{override.input_line} holds any number between, which only a search tries: add {SEARCH}, or "
                         f"type values: {override.key_or_group}=a,b,c" for override in intervals)
    for error in (refusal, refusal.__cause__):
        if isinstance(error, UNRESOLVED):
            return unresolved(error, overrides)
    with initialize_config_dir(str(settings_folder()), version_base="1.3"):
        sentences = [sentence for override in parsed for sentence in _complaints(override, parsed, config_name)]
    return "\n".join(sentences) or str(refusal).strip()


def _has_several(override: Override) -> str:
    key, value = override.key_or_group, override.input_line.partition("=")[2]
    as_list = word(f"{key}=[{value}]")
    instead = "" if key in (*PATH_SETTINGS, *CLASSES) else f"type {as_list} for a list, or "
    return f"{override.input_line} has several values: {instead}add -m to try one after the other"


def unresolved(refusal: OmegaConfBaseException, overrides: list[str]) -> str:
    """Returns the sentence on a value that cannot be resolved: ${...} names a setting that does not exist, or ???
    stands for a value that is still to be given."""
    why = (str(refusal).splitlines() or [""])[0]
    key = refusal.full_key or ""
    texts = {each.key_or_group: each.value() for each in parse(overrides) if isinstance(each.value(), str)}
    if not key:  # of a part of the settings
        key = next((name for name, text in texts.items() if "${" in text), "")
    if key not in texts:
        return f"{key}: {why}" if key else why
    value = texts[key]
    if value == MISSING:
        return f"{key}=??? is still to be given: type a value"
    literal = without_interpolation(value)
    literal = word(f"{key}={literal if key in PATH_SETTINGS else quoted(literal)}")
    variable = re.search(r"\$\{(\w+)\}", value)
    if variable is None:
        return f"{key}={value} cannot be read ({why}): if its name holds ${{, type {literal}"
    from_shell = f'"{key}={value}"'
    read_here = value.replace(variable[0], "${oc.env:" + variable[1] + "}")
    from_environment = word(f"{key}={read_here}")
    return (f"{key}={value} came with {variable[0]}, which is no setting: to have the shell put its variable "
            f"{variable[1]} there, type double quotes around it, {from_shell}; {from_environment} reads it here; "
            f"{literal} is a name that holds these very letters")


def _complaints(override: Override, everything: list[Override], config_name: str) -> list[str]:
    """Returns what is wrong with one override. It asks Hydra for the group's options, or for the names of all
    settings."""
    from hydra.core.global_hydra import GlobalHydra
    loader = GlobalHydra.instance().config_loader()
    key, groups = override.key_or_group, loader.list_groups("")
    is_one, is_countable = not override.is_sweep_override(), override.is_discrete_sweep()
    values = [override.value()] if is_one else override.sweep_string_iterator() if is_countable else []
    if key.split("@")[0] in groups or loader.list_groups(key) or loader.get_group_options(key):
        options = loader.get_group_options(key.split("@")[0])
        here = _composed(config_name, _chosen(everything, loader)).hydra.runtime.choices
        if not key.startswith("hydra/") and key.split("@")[0] not in here:
            if offering := offering_options(key):
                return [f"{override.input_line}: {offering[0]}={here.get(offering[0])} has no "
                        f"{key.replace('/', '.')}: type one that has, {offering[0]}={', '.join(offering[1])}"]
            return [f"{override.input_line}: {config_name}.py has no setting {key} (see --help)"
                    + "; it takes that of the run" * (config_name in OF_A_RUN)]
        chosen = [each for value in values for each in (value if isinstance(value, list) else [value])]
        return [_is_no_choice(key, str(each), options)
                for each in chosen if str(each) not in [*options, "None", "null"]]
    if override.is_add() or override.is_force_add():
        return []
    composed = OmegaConf.to_container(_composed(config_name, _chosen(everything, loader)))
    of_hydra = key.startswith("hydra.")
    known = [path for path in leaves(composed, inner=True) if of_hydra or not path.startswith("hydra")]
    if key in known:
        return []
    return [_outside_of_the_yaml(key, composed) or f"{key} is not a setting{nearest(key, [*known, *groups])}"]


def _outside_of_the_yaml(key: str, settings: Mapping[str, Any]) -> str:
    """Returns a sentence on a setting that a class takes and its yaml file lacks, or that lies below a plain value."""
    holder, _, name = key.rpartition(".")
    component = at(settings, holder)
    if isinstance(component, Mapping):
        signature = signature_of_ours(component)
        argument = signature.arguments.get(name) if signature else None
        if argument is None or argument.rule is None:
            return ""
        return (f"{key} is a setting of {signature.name} that its yaml file leaves out: add a line to the file, e.g. "
                f"{name}: VALUE, or type +{key}=VALUE")
    outer = at(settings, holder.rpartition(".")[0])
    signature = signature_of_ours(outer) if isinstance(outer, Mapping) and component is not None else None
    argument = signature.arguments.get(holder.rpartition(".")[2]) if signature else None
    if argument is None:
        return ""
    sentence = f"{key} is not a setting: {holder}={as_typed(component)} is a plain value"
    if argument.rule and argument.parts and not isinstance(component, str | bool):
        schedule = (f"{holder}={{_target_: saddlepoint.game.schedule.Linear, start: {as_typed(component)}, end: 0, "
                    "images: 50000}")
        sentence += f"; a schedule is typed in its place, e.g. {word(schedule)}"
    return sentence


def _chosen(everything: list[Override], loader: ConfigLoader) -> list[str]:
    return [each.input_line for each in everything if loader.get_group_options(each.key_or_group)
            and not each.is_sweep_override() and str(each.value()) in loader.get_group_options(each.key_or_group)]


def _composed(config_name: str, chosen: list[str]) -> DictConfig:
    """Returns the configuration with these choices, since a choice may bring groups and settings along, as model=srgan
    brings perceptual=. If one of them is what is wrong, returns the configuration without them."""
    with suppress(HydraException):
        return compose(config_name, chosen, return_hydra_config=True)
    return compose(config_name, return_hydra_config=True)


def _is_no_choice(key: str, value: str, options: list[str]) -> str:
    choice = f"{key}={value}"
    if choice in PLUGINS:
        return f"{choice} needs a package: pip install {PLUGINS[choice]}"
    takes = f"{key}= takes {', '.join(options)}" if options else f"conf/{key}/ holds none"
    takes += "" if key.startswith("hydra/") else extensions.reminder()
    return f"{choice} does not exist{nearest(value, options)} ({takes})"
