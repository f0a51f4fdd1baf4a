"""Rewrites arguments as they are typed into what Hydra parses as they were meant."""

import glob
import re
from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from saddlepoint.config import extensions, folders
from saddlepoint.config.spelling import is_quoted, name, quoted, separated, word
from saddlepoint.config.typed_paths import expanded, is_there
from saddlepoint.errors import RequestError

SWEEP_DIRECTORY = "hydra.sweep.dir"
# also where -m has others vary
ONE_PATH = ("run.dir", "resume", "output", "statistics", "published", "page", "claims", "reproductions", "results",
            "pages", SWEEP_DIRECTORY)
EXISTING_PATHS = ("data.root", "data.low_root", "data.source_root", "data.validation_root",
                  "data.validation_source_root", "run", "real", "fake", "input", "against", "images",
                  "anomalies", "extra", "concept")
PATHS_OR_NAMES = ("data.cache", "data.label_array", "extractor.weights", "perceptual.weights", "model.initialise",
                  "model.initialise_discriminator", "weights", "upscale", "positive", "negative")
LISTS = ("runs", "extensions")  # of paths, where written [a,b]
PATHS_OR_LISTS = ("data.root",)  # [a,b] is a list, unless something is there under this name
PATH_SETTINGS = (*ONE_PATH, *EXISTING_PATHS, *PATHS_OR_NAMES, *LISTS)
ONE_TEXT = (*ONE_PATH, *LISTS, "arithmetic", "baseline")  # the commas of the one, the = of the other
QUOTED_SETTINGS = (*PATH_SETTINGS, *ONE_TEXT)
CLASSES = ("class", "interpolate_class")
OVERRIDE = re.compile(r"^(\+{0,2})([\w./@][\w./@-]*)=(.*)$", re.DOTALL)
FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)  # of Hydra: several values
SWEEP = ("-m", "--multirun")


def prepare(arguments: list[str], default_sweep: str | None) -> list[str]:
    """Returns the arguments for Hydra: settings first, since its parser stops reading them at a flag such as -m; paths
    and names in quotes; and for a bare -m, `default_sweep` to sweep over."""
    settings = overrides_in(arguments)
    flags = [argument for argument in arguments if argument not in settings]
    sweeping = is_sweeping(arguments)
    prepared = [at_home(quote_path(setting, sweeping)) for setting in settings]
    if default_sweep and sweeping:
        overrides = parse(prepared)
        named = {override.key_or_group for override in overrides}
        several = any(override.is_sweep_override() for override in overrides)
        own_sweeper = any(key.startswith("hydra/sweeper") or key.startswith("hydra.sweeper") for key in named)
        if not several and not own_sweeper and default_sweep.partition("=")[0] not in named:
            prepared.append(default_sweep)
    return prepared + flags


def is_sweeping(arguments: Iterable[str]) -> bool:
    return any(argument in SWEEP for argument in arguments)


def quote_path(argument: str, sweeping: bool = False) -> str:
    """Returns an argument with its path or class name in quotes, as `run=runs/a (1),b`: these may hold anything, and in
    Hydra's grammar ( ) , = { } have a meaning. `sweeping`: with -m, commas stand between several values."""
    match = OVERRIDE.match(argument)
    if not match or match[2] not in (*QUOTED_SETTINGS, *CLASSES) or match[3] in ("", "null"):
        return as_choice(argument)
    setting, value = match[2], match[3]
    if sweeping and FUNCTION.fullmatch(value) and not is_there(value):
        return argument
    parts = separated(value)
    several = len(parts) > 1 and setting not in ONE_TEXT
    if several and not all(is_quoted(part) or _is_list(part) for part in parts):  # else it is clear
        several = sweeping and not _is_one_path(setting, value, parts)
    is_list = setting in LISTS or setting in PATHS_OR_LISTS and not is_there(value)
    spell = _classes if setting in CLASSES else _list_of_paths if is_list else _path
    return f"{match[1]}{setting}={','.join(map(spell, parts)) if several else spell(value)}"


def as_choice(argument: str) -> str:
    """Returns `data/pair=edges` of `data.pair=edges`: a group below another one is chosen by /, and typed as its
    settings are, by a dot. Every other argument stays as it is.

    A choice of tricks or metrics is for one of them: tricks.augment.policy=ada is for tricks.augment, as Hydra wants to
    be told."""
    match = OVERRIDE.match(argument)
    if not match or "@" in match[2]:
        return argument
    group = match[2].replace(".", "/")
    options = folders.options(group) if "/" in group else []
    if not options or not all(value.strip() in options for value in match[3].split(",")):
        return argument
    above, _, _ = group.rpartition("/")
    place = f"@{above.replace('/', '.')}" if group.partition("/")[0] in extensions.GATHERED else ""
    return f"{match[1]}{group}{place}={match[3]}"


def _path(value: str) -> str:
    return value if is_quoted(value) else quoted(value)


def _list_of_paths(value: str) -> str:
    return f"[{','.join(map(_path, separated(value[1:-1])))}]" if _is_list(value) else _path(value)


def _classes(value: str) -> str:
    """Returns a value of class= in Hydra's grammar. `null` and `all` are no names of classes there, but a list, [all],
    or a value in quotes names classes."""
    if value in ("null", "all", "[]"):
        return value
    if _is_list(value):
        return f"[{','.join(each if is_quoted(each) else name(each) for each in separated(value[1:-1]))}]"
    return f"[{value}]" if is_quoted(value) else name(value)


def _is_list(value: str) -> bool:
    return value.startswith("[") and value.endswith("]") and len(separated(value)) == 1


def _is_one_path(setting: str, value: str, parts: list[str]) -> bool:
    """Returns whether a value with commas, with -m, is a single path. Raises a RequestError where it may be one or
    several."""
    if setting not in (*EXISTING_PATHS, *PATHS_OR_NAMES):
        return False
    texts = [parse([f"x={part}"])[0].value() if is_quoted(part) else part for part in parts]
    whole, missing = _is_found(value), [text for text in texts if not _is_found(text)]
    if whole and missing or missing == texts and re.search(r",\s", value):  # a name, rather than values after commas
        return True
    if whole or (missing and setting in EXISTING_PATHS):
        why = (f"is there, and so are {' and '.join(texts)}" if whole else
               f"does not exist, and of its parts {' and '.join(missing)} do{'es' * (len(missing) == 1)} not")
        several = word(f"{setting}={','.join(map(_path, parts))}")
        raise RequestError(f"{setting}={value} {why}: type {several} for several, one after the other, or "
                           f"{word(f'{setting}={quoted(value)}')} for one whose name has commas")
    return False


def _is_found(path: str) -> bool:
    return is_there(path) or bool(glob.glob(path))  # noqa: PTH207  input= takes patterns


def at_home(argument: str) -> str:
    """Returns the argument with ~ replaced by the home folder if it sets the directory of a sweep. Hydra creates that
    directory itself and does not know ~."""
    match = OVERRIDE.match(argument)
    if not match or match[2] != SWEEP_DIRECTORY:
        return argument
    try:
        value = parse([argument])[0].value()
    except OverrideParseException:  # for Hydra to refuse
        return argument
    if not isinstance(value, str):
        raise RequestError(f"{argument} must be one path")
    home = expanded(value, SWEEP_DIRECTORY)
    return f"{match[1]}{match[2]}={quoted(str(home))}" if value.startswith("~") else argument


def overrides_in(arguments: Iterable[str]) -> list[str]:
    return [argument for argument in arguments if OVERRIDE.match(argument)]


def parse(overrides: Iterable[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))
