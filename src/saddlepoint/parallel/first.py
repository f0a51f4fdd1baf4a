"""Decides which process prints and writes files, from the environment, before torch is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from saddlepoint.errors import EndOfRun

AMONG_ALL = ("RANK", "SLURM_PROCID")  # set by torchrun and by SLURM
NUMBERS = (*AMONG_ALL, "NODE_RANK", "LOCAL_RANK")  # the last two are all that Lightning's launcher sets
OF_TORCHRUN = ("RANK", "LOCAL_RANK")  # in a SLURM job, SLURM_PROCID numbers what runs torchrun


def process_number() -> str:
    """Returns the number of this process among all, from 0, for messages; where Lightning started processes on several
    machines, e.g. `1 of machine 2`."""
    for name in AMONG_ALL:
        if name in os.environ:
            return os.environ[name]
    machine, number = os.environ.get("NODE_RANK", "0"), os.environ.get("LOCAL_RANK", "0")
    return number if machine == "0" else f"{number} of machine {machine}"


def is_first() -> bool:
    numbers = OF_TORCHRUN if "RANK" in os.environ else NUMBERS
    return all(os.environ.get(name, "0") == "0" for name in numbers)


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
