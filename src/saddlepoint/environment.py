"""What code ran, and by which command: versions, git revision, the line that was typed."""

import functools
import os
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

CALLED = "SADDLEPOINT_CALLED_BY"  # the environment variable that jobs of a sweep inherit
PACKAGES = ("saddlepoint", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics",
            "torch-fidelity", "numpy", "pillow")


def command() -> str:
    """Returns the line that was typed, from the script's or the command's name on."""
    started = Path(sys.argv[0])
    called = program(started.stem) if way_of_calling() == "module" else [started.name]
    return shlex.join([*called, *typed()])


def program(command: str) -> list[str]:
    """Returns the words that call a command of ours (train, sample, ...) in the way in which this process was called:
    `python train.py` in a checkout, `saddlepoint-train` of an installation, or `python -m saddlepoint.commands.train`.

    A job of a sweep names what the sweep was called by, as nobody typed the job's own line.
    """
    called = os.environ.get(CALLED) or way_of_calling()
    if called == "console":
        return [f"saddlepoint-{command.replace('_', '-')}"]
    return ["python", "-m", f"saddlepoint.commands.{command}"] if called == "module" else ["python", f"{command}.py"]


def way_of_calling() -> str:
    """Returns console, module or script; elsewhere, in a notebook say, script in a checkout and console otherwise."""
    started = Path(sys.argv[0])
    if started.name.startswith("saddlepoint-"):
        return "console"
    if started.parts[-3:-1] == ("saddlepoint", "commands"):
        return "module"
    return "script" if (Path(__file__).parents[2] / "train.py").is_file() else "console"


def typed() -> list[str]:
    """The arguments as they were typed; in sys.argv, paths have been quoted for Hydra."""
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
    """The git revision of the code, with +changes when the tree differs from it; empty outside a checkout."""
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout.strip()
    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
