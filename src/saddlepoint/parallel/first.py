"""Decides which process prints and writes files, from the environment, before torch is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from saddlepoint.errors import EndOfRun

NUMBERS = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")  # as torchrun, SLURM and Lightning's launcher set them


def number() -> str:
    """Returns the number of this process for messages; where several variables are set, the first one counts."""
    return next((os.environ[name] for name in NUMBERS if name in os.environ), "0")


def is_first() -> bool:
    return all(os.environ.get(name, "0") == "0" for name in NUMBERS)


def say(end: EndOfRun) -> None:
    """Prints once why a run ends: the first process prints it, and another process only what concerns it alone."""
    if not end.printed and (is_first() or not end.of_all):
        print(end if is_first() else f"process {number()}: {end}", file=sys.stderr, flush=True)
    end.printed = True


@contextmanager
def only_the_first_speaks() -> Iterator[None]:
    """Lets only the first process print while all of them run the same code, errors for the user included.
    Tracebacks of bugs are printed by every process."""
    if is_first():
        yield
        return
    nowhere = Path(os.devnull).open("w", encoding="utf-8", errors="replace")  # noqa: SIM115 closed below
    with nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            yield
        except EndOfRun as end:
            end.of_all = True
            raise
