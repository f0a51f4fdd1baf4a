"""Runs a command between the shell and Hydra: quotes paths, completes a bare -m, prints refusals, returns exit codes.

Imports no torch, so that `--help`, `--cfg job`, tab completion and refusals of a wrong setting take under a second.
"""

import errno
import logging
import os
import string
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from saddlepoint.commands import streams
from saddlepoint.config import extensions, folders, hydra_settings, spelling
from saddlepoint.config.hydra_errors import SEARCH, UNRESOLVED, explain, unresolved
from saddlepoint.config.overrides import OVERRIDE, SWEEP, overrides_in, parse, prepare, quote_path
from saddlepoint.environment import program
from saddlepoint.errors import DiskFull, EndOfRun, RequestError, Stopped
from saddlepoint.files import disk_space
from saddlepoint.parallel.first import is_first, print_end

MODES = (*SWEEP, "-r", "--run", "-c", "--cfg", "-i", "--info")  # Hydra takes one of them
NOT_COMPOSED = (HydraException, OmegaConfBaseException, yaml.MarkedYAMLError)  # errors of settings and yaml files
LISTS_OF_CHOICES = ("logger", "callbacks")

_ends: list[EndOfRun] = []  # of the jobs of this process: one, or those of a sweep


class _SweepStopped(BaseException):
    """The end of a sweep by a signal. It is no Exception, so Hydra does not catch it, and starts no further job."""


@contextmanager
def reported() -> Iterator[None]:
    """Prints and remembers an end that is not a bug, in the function that hydra.main calls.

    The next job of a sweep then starts, unless a signal ended this one; Hydra would print an error of its own and end
    the sweep. A full disk is also such an end, whichever file it was noticed at.
    """
    try:
        yield
    except (EndOfRun, OSError, *UNRESOLVED) as error:
        end = end_of(error, overrides_in(sys.argv[1:]))
        if end is None:
            raise
        print_end(end)
        _ends.append(end)
        if isinstance(end, Stopped):
            raise _SweepStopped from end


def end_of(error: Exception, overrides: list[str]) -> EndOfRun | None:
    """Returns the end that is no bug in which an error lets a command with these overrides end; None for a bug."""
    if isinstance(error, EndOfRun):
        return error
    if isinstance(error, UNRESOLVED):
        return RequestError(unresolved(error, overrides))
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # with .neighbours.png, say
        return RequestError(f"{error.filename} cannot be used: {error.strerror}. Type a shorter name")
    return disk_space.find_full_disk(error)


def refusal_of(error: HydraException | OmegaConfBaseException | yaml.MarkedYAMLError, arguments: list[str],
               config_name: str) -> str:
    """Returns the sentences on why these arguments of a command cannot be put together with the yaml files."""
    if isinstance(error, yaml.MarkedYAMLError):
        return f"{error.problem_mark.name} is no yaml: {error.problem}, line {error.problem_mark.line + 1}"
    return explain(error, arguments, config_name)


def run(command: Callable[[], object], config_name: str, default_sweep: str | None = None,
        complete: Callable[[list[str]], list[str]] = list) -> int:
    """Runs a function decorated with hydra.main and returns the exit code; bugs keep their traceback.

    `default_sweep` are the values that a bare -m tries; `complete` adds arguments that follow from those typed.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its exceptions on instead of printing and exiting with 1
    streams.make_unfailing()
    exit_code = _run(command, config_name, default_sweep, complete)
    sys.stdout.flush()
    return exit_code or (DiskFull.exit_code if streams.lost() else 0)


def _run(command: Callable[[], object], config_name: str, default_sweep: str | None,
         complete: Callable[[list[str]], list[str]]) -> int:
    set_up_warnings()
    try:
        take_extensions_into_use(sys.argv[1:])
        refuse_arguments(sys.argv[1:])
        if {"--help", "-h"} & set(sys.argv[1:]):
            print(help_text(config_name, prepare(sys.argv[1:], None)))
            return 0
        sys.argv[1:] = prepare(complete(sys.argv[1:]), default_sweep)
        command()
    except RequestError as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    except NOT_COMPOSED as refusal:
        print(refusal_of(refusal, sys.argv[1:], config_name), file=sys.stderr)
        return RequestError.exit_code
    except _SweepStopped:
        return _exit_code(_ends[-1])
    except KeyboardInterrupt:
        print("Stopped by SIGINT", file=sys.stderr)
        return 130
    return _exit_code(_ends[0]) if _ends else 0


def _exit_code(end: EndOfRun) -> int:
    """Returns the exit code of this process.

    Processes that agreed on their end leave with one exit code. Where each was refused by itself, before they met, only
    the first has a code other than 0: a launcher would take another's for a crash, and kill the first as it prints.
    """
    return 0 if end.of_all and not end.agreed and not is_first() else end.exit_code


def take_extensions_into_use(arguments: list[str]) -> None:
    """Finds the extensions that are installed, typed in extensions= or named by the experiment's yaml."""
    typed = {}
    for argument in arguments:
        match = OVERRIDE.match(argument)
        if match and match[2] in ("extensions", "experiment"):
            with suppress(HydraException):  # what cannot be read is refused with everything else
                typed[match[2]] = parse([quote_path(argument)])[0].value()
    extensions.use(())
    extensions.use(extensions.named_in(typed, experiments_named(arguments, typed.get("experiment"))))
    extensions.refuse_settings_that_do_not_fit(folders.settings_folder())


def experiments_named(arguments: list[str], experiment: object) -> Iterator[Mapping[str, object]]:
    """Yields the content of the yaml files behind experiment=; Hydra refuses what is not there or no yaml."""
    own = [Path(each) for flag, each in pairwise([*arguments, ""]) if flag in ("--config-dir", "-cd")]
    own += [Path(each.partition("=")[2]) for each in arguments if each.startswith("--config-dir=")]
    for path in [*(folder / "experiment" / f"{experiment}.yaml" for folder in own),
                 *folders.files_of("experiment", str(experiment))]:
        with suppress(OSError, ValueError, yaml.YAMLError):
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            if isinstance(content, Mapping):
                yield content


def help_text(config_name: str, arguments: list[str]) -> str:
    """Returns the text of --help, from the template in hydra.help.

    Hydra itself takes twice as long, since it loads the groups of all its plugins.
    """
    with initialize_config_dir(str(folders.settings_folder()), version_base="1.3"):
        config = compose(config_name, overrides_in(arguments), return_hydra_config=True)
    template = string.Template(config.hydra.help.template)
    choices = [f"{group}: {', '.join(folders.options(group))}"
               for group in sorted(folders.groups()) if group in config.hydra.runtime.choices]
    settings = {name: value for name, value in OmegaConf.to_container(config).items() if name != "hydra"}
    text = template.safe_substitute(APP_CONFIG_GROUPS="\n".join(choices),
                                    CONFIG=OmegaConf.to_yaml(OmegaConf.create(settings)))
    return text.replace(f"python {config_name}.py", " ".join(program(config_name)))


def set_up_warnings() -> None:
    """Sends our warnings to stderr as sentences; Hydra's handler would print them to stdout with its own prefix."""
    handler, log = logging.StreamHandler(), logging.getLogger("saddlepoint")
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    threading.excepthook = report_thread_failure


def report_thread_failure(failed: threading.ExceptHookArgs) -> None:
    """Prints the traceback of a failed thread, unless a full disk ended it.

    TensorBoard writes in a thread. The next call that hands it something, or closes it, raises its error again, and the
    full disk is reported there.
    """
    if failed.exc_value is None or disk_space.find_full_disk(failed.exc_value) is None:
        threading.__excepthook__(failed)


def refuse_arguments(arguments: list[str]) -> None:
    """Refuses arguments that Hydra would answer with a traceback, or misunderstand."""
    hydra_settings.refuse(arguments)
    modes = [argument for argument in arguments if argument in MODES]
    if len(modes) > 1:
        raise RequestError(f"{' '.join(modes)} exclude each other: type one of them")
    if SEARCH in arguments and not {*SWEEP} & {*arguments}:
        raise RequestError(f"{SEARCH} tries one run after the other, and runs are tried with -m: add -m")
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if argument.startswith("~"):
            raise RequestError(f"{argument} removes a setting, and every setting is needed: choose another value, "
                               "e.g. logger=none")
        if not equals and not argument.startswith("-") and not before.startswith("-"):
            raise RequestError(f"{argument} is not a setting: settings are written name=value, e.g. seed=1")
        is_list = value.startswith("[") and name not in LISTS_OF_CHOICES  # Hydra would merge the listed files
        if (value == "null" or is_list) and (options := folders.options(name)):
            several = f"; to try one after the other, type {name}={value[1:-1]} -m" if is_list else ""
            raise RequestError(f"{argument} is not a choice: {name}= takes {', '.join(options)}{several}")


# Lines for the user to type.


def line(command: str, overrides: Iterable[str], changes: Mapping[str, object]) -> str:
    """Returns a command of ours, e.g. train, as it is called here, with some settings changed, quoted for the shell."""
    unchanged = [override for override in overrides if override.partition("=")[0].lstrip("+") not in changes]
    changed = [f"{key}={render(value)}" for key, value in changes.items()]
    return spelling.command(command, *unchanged, *changed)


def render(value: object) -> str:
    """Writes a value as it is typed on the command line: null, true, [a,b]."""
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)
