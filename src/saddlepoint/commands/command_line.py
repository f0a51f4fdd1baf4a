"""What stands between the shell and Hydra: quoting of paths, the bare -m, refusals in sentences, exit codes.

Imports no torch: `--help`, `--cfg job`, tab completion and refusals of a wrong setting answer in under a second.
"""

import errno
import logging
import os
import string
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from saddlepoint.commands import streams
from saddlepoint.config import hydra_settings, spelling
from saddlepoint.config.hydra_errors import SEARCH, UNRESOLVED, explain, unresolved
from saddlepoint.config.overrides import SWEEP, overrides_in, prepare
from saddlepoint.errors import DiskFull, EndOfRun, RequestError, Stopped
from saddlepoint.files import disk_space
from saddlepoint.parallel.first import is_first, say

MODES = (*SWEEP, "-r", "--run", "-c", "--cfg", "-i", "--info")  # one at a time, says Hydra
LISTS_OF_CHOICES = ("logger",)

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
    except (EndOfRun, OSError, *UNRESOLVED) as error:
        end = error if isinstance(error, EndOfRun) else disk_space.behind(error)
        if isinstance(error, UNRESOLVED):
            end = RequestError(unresolved(error, overrides_in(sys.argv[1:])))
        elif isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # with .neighbours.png, say
            end = RequestError(f"{error.filename} cannot be used: {error.strerror}. Type a shorter name")
        if end is None:
            raise
        say(end)
        _ends.append(end)
        if isinstance(end, Stopped):
            raise _SweepStopped from end


def run(command: Callable[[], object], config_name: str, default_sweep: str | None = None) -> int:
    """Run a function decorated with hydra.main and return the exit code; bugs keep their traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its exceptions on instead of printing and exiting with 1
    streams.make_unfailing()
    exit_code = _run(command, config_name, default_sweep)
    sys.stdout.flush()
    return exit_code or (DiskFull.exit_code if streams.lost() else 0)


def _run(command: Callable[[], object], config_name: str, default_sweep: str | None) -> int:
    config_directory = Path(sys.argv[0]).resolve().parent / "conf"
    speak_plainly()
    try:
        refuse_arguments(sys.argv[1:], config_directory)
        if {"--help", "-h"} & set(sys.argv[1:]):
            print(help_text(config_directory, config_name, prepare(sys.argv[1:], None)))
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
    """Processes that agreed on their end leave with one exit code. Where each was refused by itself, before they met,
    the first one says it; a launcher would take others' exit codes for a crash and kill the first while it does."""
    return 0 if end.of_all and not end.agreed and not is_first() else end.exit_code


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
    """What Hydra would answer with a traceback, or take for something else."""
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
        group = config_directory / name
        is_list = value.startswith("[") and name not in LISTS_OF_CHOICES  # Hydra would lay one over the other
        if (value == "null" or is_list) and group.is_dir():
            options = sorted(path.stem for path in group.glob("*.yaml"))
            several = f"; to try one after the other, type {name}={value[1:-1]} -m" if is_list else ""
            raise RequestError(f"{argument} is not a choice: {name}= takes {', '.join(options)}{several}")


# The line to type.


def line(script: str, overrides: Iterable[str], changes: Mapping[str, object]) -> str:
    """The command with some settings changed, quoted for the shell."""
    kept = [override for override in overrides if override.partition("=")[0].lstrip("+") not in changes]
    changed = [f"{key}={render(value)}" for key, value in changes.items()]
    return spelling.line(["python", script, *kept, *changed])


def render(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)
