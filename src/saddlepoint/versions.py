"""What code ran, and by which command: versions, git revision, the line that was typed."""

import functools
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("saddlepoint", "torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics",
            "torch-fidelity", "numpy", "pillow")


def command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *typed()])


def typed() -> list[str]:
    """The arguments as they were typed; in sys.argv, paths have been quoted for Hydra."""
    script, *arguments = sys.argv
    return sys.orig_argv[sys.orig_argv.index(script) + 1:] if script in sys.orig_argv else arguments


@functools.cache
def versions() -> dict[str, str]:
    """-> the version of each package; "not installed" for saddlepoint where PYTHONPATH leads to its sources"""
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
