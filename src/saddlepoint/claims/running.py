"""Makes the runs that are missing as a sweep: each a process of its own, in a folder where the sweep goes on when the
command is called again."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from saddlepoint.claims.results import RUNNING, Result
from saddlepoint.claims.typed_words import Words, effective, of_recipe
from saddlepoint.environment import program, typed
from saddlepoint.errors import EndOfRun
from saddlepoint.sweeps import machine
from saddlepoint.sweeps.runner import Limits
from saddlepoint.sweeps.sweep import Request, sweep

TRAIN = (sys.executable, "-P", "-m", "saddlepoint.commands.train")
HANG_MINUTES = 120  # without a new row of metrics.csv or a checkpoint, as hydra/launcher=processes has it
FOUND_WANTING = ("completed", "diverged")  # ends of runs that count, unless what they were made for has changed

Wanted = tuple[Words, int]  # words as they are typed, and the seed


def missing(wanted: Iterable[Wanted], results: Sequence[Result], exact: bool) -> list[Wanted]:
    """Returns the runs that no result stands for, each once: of claims those of the same words (`exact`), of published
    tables those of the same recipe. A run that another process is making is none of them."""
    key = effective if exact else of_recipe
    there = {(key(each.words), each.seed) for each in results if each.stands or each.state == RUNNING}
    needed = {(effective(words), seed): (words, seed) for words, seed in wanted}
    return [each for each in needed.values() if (key(each[0]), each[1]) not in there]


def make(runs: Sequence[Wanted], folder: Path, jobs_at_once: int | None, again: Sequence[str]) -> EndOfRun | None:
    """Makes runs below a folder, and returns the end to report: None if all are completed. Runs that a signal ended in
    the middle go on from their checkpoints. One that is there to its end, and is still asked for, does not count (its
    claim or its recipe has changed since): it stays, and is made once more beside it.

    jobs_at_once: None for one on each core
    again: states, e.g. failed: a run that ended so is tried once more
    """
    places = machine.places(jobs_at_once or machine.cores(), [], 1, machine.cores())
    request = Request(folder, TRAIN, program("claims"), [], places, Limits(hang_minutes=HANG_MINUTES, place=""),
                      list(again), typed(), lambda directory: None, place="runs", repeats="again", anew=FOUND_WANTING)
    _, end = sweep(request, [[*without_repetition(words), f"seed={seed}"] for words, seed in runs])
    return end


def without_repetition(words: Words) -> list[str]:
    """Returns the words that have an effect in the order in which they were typed."""
    kept = set(effective(words))
    return [word for place, word in enumerate(words) if word in kept and word not in words[place + 1:]]
