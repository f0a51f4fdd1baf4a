"""Decides which process prints and writes files, from the environment, before torch is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from saddlepoint.errors import EndOfRun

NUMBERS = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")  # set by torchrun, SLURM and Lightning's launcher


def process_number() -> str:
    """Returns the number of this process for messages, from the first of these variables that is set."""
    return next((os.environ[name] for name in NUMBERS if name in os.environ), "0")


def is_first() -> bool:
    return all(os.environ.get(name, "0") == "0" for name in NUMBERS)


def print_end(end: EndOfRun) -> None:
    """Prints why the run ends, if that was not printed before. An end of all processes is printed by the first one
    only; another process prints what ends only itself, with its number."""
    if not end.printed and (is_first() or not end.of_all):
        print(end if is_first() else f"process {process_number()}: {end}", file=sys.stderr, flush=True)
    end.printed = True


@contextmanager
def only_the_first_speaks() -> Iterator[None]:
    """Silences all processes but the first one while they run the same code, which would print the same. An EndOfRun in
    another process counts as one of all processes. Tracebacks of bugs are printed by every process."""
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
