"""What stands between the shell and Hydra: quoting of paths, the bare -m, refusals in sentences, exit codes.

Imports no torch: `--help`, `--cfg job`, tab completion and refusals of a wrong setting answer in under a second.
"""

import logging
import os
import re
import shlex
import string
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from saddlepoint import disk_space
from saddlepoint.config_check import leaves
from saddlepoint.errors import EndOfRun, RequestError, Stopped
from saddlepoint.parallel.first import is_first, number
from saddlepoint.rules import nearest

PATH_SETTINGS = ("data.root", "data.low_root", "data.validation_root", "data.cache", "run", "run.dir", "resume",
                 "output", "real", "fake", "extractor.weights", "perceptual.weights", "model.initialise", "input",
                 "weights", "upscale")
QUOTED_SETTINGS = (*PATH_SETTINGS, "arithmetic")  # its commas make no sweep
OVERRIDE = re.compile(r"^(\+{0,2})([\w./@][\w./@-]*)=(.*)$", re.DOTALL)
SWEEP = ("-m", "--multirun")
MODES = (*SWEEP, "-r", "--run", "-c", "--cfg", "-i", "--info")  # one at a time, says Hydra


_ends: list[EndOfRun] = []  # of the jobs of this process: one, or those of a sweep


class _SweepStopped(BaseException):
    """Not an Exception, so that Hydra lets it through and starts no further job."""


@contextmanager
def reported() -> Iterator[None]:
    """Inside the function that hydra.main calls: an end that is not a bug is printed and remembered, and the next job
    of a sweep goes on, unless a signal asked for the end. (Hydra would introduce it as an error and end the sweep.)
    A disk that is full is such an end too, whichever file it was met at."""
    try:
        yield
    except (EndOfRun, OSError) as error:
        end = error if isinstance(error, EndOfRun) else disk_space.behind(error)
        if end is None:
            raise
        if is_first() or not end.of_all:
            print(end if is_first() else f"process {number()}: {end}", file=sys.stderr)
        _ends.append(end)
        if isinstance(end, Stopped):
            raise _SweepStopped from end


def run(command: Callable[[], object], config_name: str, default_sweep: str | None = None) -> int:
    """Run a function decorated with hydra.main and return the exit code; bugs keep their traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its exceptions on instead of printing and exiting with 1
    config_directory = Path(sys.argv[0]).resolve().parent / "conf"
    speak_plainly()
    try:
        refuse_arguments(sys.argv[1:], config_directory)
        if {"--help", "-h"} & set(sys.argv[1:]):
            text = help_text(config_directory, config_name, prepare(sys.argv[1:], None))
            with suppress(BrokenPipeError):  # --help | head
                print(text, flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        sys.argv[1:] = prepare(sys.argv[1:], default_sweep)
        command()
    except RequestError as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    except (HydraException, OmegaConfBaseException) as refusal:
        print(explain(refusal, sys.argv[1:], config_directory, config_name), file=sys.stderr)
        return RequestError.exit_code
    except _SweepStopped:
        return _exit_code(_ends[-1])
    except KeyboardInterrupt:
        print("Stopped by SIGINT", file=sys.stderr)
        return 130
    return _exit_code(_ends[0]) if _ends else 0


def _exit_code(end: EndOfRun) -> int:
    """What ends all processes of a run is said by the first one; Lightning would take it for a crash of the others and
    kill the first while it says it."""
    return 0 if end.of_all and not is_first() else end.exit_code


def help_text(config_directory: Path, config_name: str, arguments: list[str]) -> str:
    """The template in hydra.help, filled. Hydra's own way loads every group of its plugins too, for twice the time."""
    with initialize_config_dir(str(config_directory), version_base="1.3"):
        config = compose(config_name, overrides_in(arguments), return_hydra_config=True)
    template = string.Template(config.hydra.help.template)
    choices = [f"{group.name}: {', '.join(sorted(path.stem for path in group.glob('*.yaml')))}"
               for group in sorted(config_directory.iterdir()) if group.name in config.hydra.runtime.choices]
    settings = {name: value for name, value in OmegaConf.to_container(config).items() if name != "hydra"}
    return template.safe_substitute(APP_CONFIG_GROUPS="\n".join(choices),
                                    CONFIG=OmegaConf.to_yaml(OmegaConf.create(settings)))


def speak_plainly() -> None:
    """Warnings of ours go to stderr as they are; Hydra's handler would print them to stdout in its own name."""
    handler, log = logging.StreamHandler(), logging.getLogger("saddlepoint")
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    threading.excepthook = speak_of_thread


def speak_of_thread(failed: threading.ExceptHookArgs) -> None:
    """TensorBoard's writer is a thread; a full disk that it meets is raised again by the next one to hand it something,
    or to close it, and reported there."""
    if failed.exc_value is None or disk_space.behind(failed.exc_value) is None:
        threading.__excepthook__(failed)


def refuse_arguments(arguments: list[str], config_directory: Path) -> None:
    """What Hydra would answer with a traceback."""
    modes = [argument for argument in arguments if argument in MODES]
    if len(modes) > 1:
        raise RequestError(f"{' '.join(modes)} exclude each other: type one of them")
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if argument.startswith("~"):
            raise RequestError(f"{argument} removes a setting, and every setting is needed: choose another value, "
                               "e.g. logger=none")
        if not equals and not argument.startswith("-") and not before.startswith("-"):
            raise RequestError(f"{argument} is not a setting: settings are written name=value, e.g. seed=1")
        group = config_directory / name
        if value == "null" and group.is_dir():
            options = sorted(path.stem for path in group.glob("*.yaml"))
            raise RequestError(f"{argument} is not a choice: {name}= takes {', '.join(options)}")


# Before Hydra.


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
    value = re.sub(r"(\\*)'", r"\1\1\'", match[3])  # backslashes count only before a quote, where each is doubled
    value = re.sub(r"(\\+)$", r"\1\1", value)
    return f"{match[1]}{match[2]}='{value}'"


def overrides_in(arguments: Iterable[str]) -> list[str]:
    return [argument for argument in arguments if OVERRIDE.match(argument)]


def parse(overrides: Iterable[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))


# After a refusal.


def explain(refusal: Exception, arguments: list[str], config_directory: Path, config_name: str) -> str:
    """Hydra's and OmegaConf's refusals as sentences that name the setting and the nearest valid one."""
    overrides = [quote_path(override) for override in overrides_in(arguments)]
    try:
        parsed = parse(overrides)
    except OverrideParseException as error:
        return (f"{error.override} cannot be read: {str(error).splitlines()[0]}. Put the whole setting in quotes, e.g. "
                "'trick=[r1,ema]'")
    several = [override for override in parsed if override.is_sweep_override()]
    if several and not any(argument in SWEEP for argument in arguments):
        return "\n".join(f"{override.input_line} has several values: type '{override.key_or_group}="
                         f"[{override.input_line.partition('=')[2]}]' for a list, or add -m to try one after the other"
                         for override in several)
    with initialize_config_dir(str(config_directory), version_base="1.3"):
        sentences = [sentence for override in parsed for sentence in _complaints(override, parsed, config_name)]
    return "\n".join(sentences) or str(refusal).strip()


def _complaints(override: Override, everything: list[Override], config_name: str) -> list[str]:
    """What is wrong with one override, asked of Hydra itself: the group's options, or the names of all settings."""
    from hydra.core.global_hydra import GlobalHydra
    loader = GlobalHydra.instance().config_loader()
    key, groups = override.key_or_group, loader.list_groups("")
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.value()]
    if key.split("@")[0] in groups or loader.list_groups(key) or loader.get_group_options(key):
        options = loader.get_group_options(key.split("@")[0])
        takes = f"{key}= takes {', '.join(options)}" if options else f"conf/{key}/ holds none"
        return [f"{key}={value} does not exist{nearest(str(value), options)} ({takes})"
                for value in values if str(value) not in [*options, "None", "null"]]
    if key.startswith("hydra") or override.is_add() or override.is_force_add():
        return []
    chosen = [each.input_line for each in everything if loader.get_group_options(each.key_or_group)
              and not each.is_sweep_override() and str(each.value()) in loader.get_group_options(each.key_or_group)]
    known = list(leaves(OmegaConf.to_container(compose(config_name, overrides=chosen)), inner=True))
    if key in known:
        return []
    return [f"{key} is not a setting{nearest(key, [*known, *groups])}"]


# The line to type.


def line(script: str, overrides: Iterable[str], changes: Mapping[str, object]) -> str:
    """The command with some settings changed, quoted for the shell."""
    kept = [override for override in overrides if override.partition("=")[0].lstrip("+") not in changes]
    changed = [f"{key}={render(value)}" for key, value in changes.items()]
    return shlex.join(["python", script, *kept, *changed])


def render(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)
