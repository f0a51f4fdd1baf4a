"""The versions of the code that runs, its git revision, and the command line that was typed."""

import functools
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path

CALLED = "SADDLEPOINT_CALLED_BY"  # the environment variable that jobs of a sweep inherit
JOBS_ON_GPU = "SADDLEPOINT_JOBS_ON_GPU"  # the one that says how many jobs share the GPU of this one
CHANGED = "+changes"  # how a revision ends where files differ from it
PACKAGES = ("saddlepoint", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics",
            "torch-fidelity", "numpy", "pillow")
FUNCTIONS = ("train", "sample", "evaluate", "compare", "export", "translate", "invert", "augment", "upscale",
             "prepare", "audit")  # of saddlepoint

_call: ContextVar[str] = ContextVar("call", default="")  # the call of such a function in which we are, as Python text


@contextmanager
def called_from_python(command: str, settings: Sequence[str]) -> Iterator[None]:
    """Lets what runs in the block know that a program called it as a function, with these settings as typed: lines to
    type are then lines of Python."""
    token = _call.set(python_call(command, settings))
    try:
        yield
    finally:
        _call.reset(token)


def is_called_from_python() -> bool:
    return bool(_call.get())


def python_call(command: str, settings: Sequence[str]) -> str:
    """Returns the call of a command as a function: saddlepoint.train("model=mlp", "loss=hinge")."""
    plain = [f'"{each}"' if each.isprintable() and not set(each) & set('"\\') else repr(each) for each in settings]
    return f"saddlepoint.{command}({', '.join(plain)})"


def command() -> str:
    """Returns the line that was typed, from the script's or the command's name on, or the call in Python."""
    if is_called_from_python():
        return _call.get()
    script = Path(sys.argv[0])
    words = program(script.stem) if way_of_calling() == "module" else [script.name]
    return shlex.join([*words, *typed()])


def program(command: str) -> list[str]:
    """Returns the words that call a command of ours (train, sample, ...) in the way in which this process was called:
    `python train.py` in a checkout, `saddlepoint-train` of an installation, or `python -m saddlepoint.commands.train`,
    also where the checkout has no script for it.

    In a job of a sweep it is the way in which the sweep was called, as nobody typed the job's own line.
    """
    way, _, folder = (os.environ.get(CALLED) or way_of_calling()).partition(" ")
    if way == "console":
        return [f"saddlepoint-{command.replace('_', '-')}"]
    has_script = (Path(__file__).parents[2] / f"{command}.py").is_file()  # saddlepoint.commands.translate has none
    if way == "module" or not has_script:
        return ["python", "-m", f"saddlepoint.commands.{command}"]
    return ["python", str(Path(folder, f"{command}.py"))]


def is_job_of_a_sweep() -> bool:
    """Returns whether a sweep of ours started this process."""
    return CALLED in os.environ


def jobs_on_gpu() -> int:
    """Returns how many jobs of a sweep share the GPU that this process sees; 1 outside of such a sweep."""
    return int(os.environ.get(JOBS_ON_GPU, 1))


def way_of_calling() -> str:
    """Returns how this process was started: `console`, `module`, `script`, or `script FOLDER` where the script was
    called from another folder than its own.

    Where it is none of these, e.g. in a notebook, returns script in a checkout and console in an installation.
    """
    started = Path(sys.argv[0])
    if started.name.startswith("saddlepoint-"):
        return "console"
    if started.parts[-3:-1] == ("saddlepoint", "commands"):
        return "module"
    checkout = Path(__file__).parents[2]
    if not (checkout / "train.py").is_file():
        return "console"
    is_ours = started.suffix == ".py" and started.absolute().parent == checkout
    return f"script {started.parent}" if is_ours and str(started.parent) != "." else "script"


def typed() -> list[str]:
    """Returns the arguments as they were typed; those in sys.argv may have been quoted for Hydra."""
    script, *arguments = sys.argv
    for name in (script, f"saddlepoint.commands.{Path(script).stem}"):  # the latter after python -m
        if name in sys.orig_argv:
            return sys.orig_argv[sys.orig_argv.index(name) + 1:]
    return arguments


@functools.cache
def versions() -> dict[str, str]:
    """Returns the version of each package; "not installed" for saddlepoint where PYTHONPATH leads to its sources."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def revision() -> str:
    """Returns the git revision of the code, with CHANGED if files of its repository differ from it."""
    return revision_of(Path(__file__).parent)


def revision_of(folder: Path, *within: str) -> str:
    """Returns the git revision of a folder; empty outside a checkout.

    It ends in CHANGED if files differ from it: those of the whole repository, or only those `within` these paths.
    """
    try:
        return git(folder, "rev-parse", "HEAD") + (CHANGED if git(folder, "status", "--porcelain", "--", *within)
                                                   else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


@functools.cache
def changes() -> list[str]:
    """Returns the files of the code's repository that differ from its git revision."""
    return changes_of(Path(__file__).parent)


def changes_of(folder: Path) -> list[str]:
    """Returns the files of a folder's whole repository that differ from its git revision, by their paths in it, with
    those that git does not know and does not ignore; none outside a checkout."""
    try:
        listing = git(folder, "status", "--porcelain", "--untracked-files=all", "-z", "--no-renames")
    except (OSError, subprocess.CalledProcessError):
        return []
    return sorted(entry[3:] for entry in listing.split("\0") if entry)


def git(folder: Path, *arguments: str) -> str:
    """Returns what git prints about a folder. Raises CalledProcessError where it refuses, e.g. outside a repository,
    and OSError where there is no git."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout.rstrip()


@functools.cache
def processor() -> str:
    """Returns the model of this machine's processor, e.g. Intel(R) Xeon(R) Platinum 8481C; its architecture where the
    system does not say more."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.processor() or platform.machine())
