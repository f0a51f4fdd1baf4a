"""Settings as they are typed, before Hydra sees them: paths quoted, flags last, a bare -m given something to sweep."""

import re
from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

PATH_SETTINGS = ("data.root", "data.low_root", "data.validation_root", "data.cache", "run", "run.dir", "resume",
                 "output", "real", "fake", "extractor.weights", "perceptual.weights", "model.initialise", "input",
                 "weights", "upscale", "runs", "published", "page", "hydra.sweep.dir")
QUOTED_SETTINGS = (*PATH_SETTINGS, "arithmetic", "baseline")  # the commas of the one, the = of the other
LISTS = ("runs",)  # of paths, where written [a,b]
OVERRIDE = re.compile(r"^(\+{0,2})([\w./@][\w./@-]*)=(.*)$", re.DOTALL)
SWEEP = ("-m", "--multirun")


def prepare(arguments: list[str], default_sweep: str | None) -> list[str]:
    """The arguments as Hydra should see them: settings first (its parser stops reading them at a flag such as -m),
    paths quoted, and a bare -m given something to sweep."""
    settings = overrides_in(arguments)
    flags = [argument for argument in arguments if argument not in settings]
    prepared = [quote_path(setting) for setting in settings]
    if default_sweep and any(flag in SWEEP for flag in flags):
        overrides = parse(prepared)
        named = {override.key_or_group for override in overrides}
        sweeping = any(override.is_sweep_override() for override in overrides)
        own_sweeper = any(key.startswith("hydra/sweeper") or key.startswith("hydra.sweeper") for key in named)
        if not sweeping and not own_sweeper and default_sweep.partition("=")[0] not in named:
            prepared.append(default_sweep)
    return prepared + flags


def quote_path(argument: str) -> str:
    """Paths may hold anything, and in Hydra's grammar ( ) , = { } mean something: `run=runs/a (1),b` is quoted."""
    match = OVERRIDE.match(argument)
    if not match or match[2] not in QUOTED_SETTINGS or match[3] in ("", "null") or match[3][0] in "'\"":
        return argument
    if match[2] in LISTS and match[3].startswith("["):
        return argument
    value = re.sub(r"(\\*)'", r"\1\1\'", match[3])  # backslashes count only before a quote, where each is doubled
    value = re.sub(r"(\\+)$", r"\1\1", value)
    return f"{match[1]}{match[2]}='{value}'"


def overrides_in(arguments: Iterable[str]) -> list[str]:
    return [argument for argument in arguments if OVERRIDE.match(argument)]


def parse(overrides: Iterable[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))
