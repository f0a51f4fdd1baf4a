"""A process that saves without a pause and is killed: what it leaves is always a whole checkpoint."""

import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint, resuming
from saddlepoint.runs.directory import RunDirectory
from tests.chaos.report import Report
from tests.warm import server

TENSORS, LENGTH = 6, 200_000  # 4.8 MB
PATIENCE = 60  # seconds until a process has saved for the first time


def content_of(number: int) -> dict[str, Any]:
    return {"images_seen": number, "module": {f"tensor {i}": torch.full((LENGTH,), float(number))
                                              for i in range(TENSORS)}}


def save_for_ever(folder: Path, temporary: str, saved: Any) -> None:
    """`saved`: shared with the parent, the number of the newest save that returned"""
    os.environ["TMPDIR"], tempfile.tempdir = temporary, None
    torch.set_num_threads(1)
    number = saved.value
    while True:
        number += 1
        checkpoint.save(folder / "last.ckpt", content_of(number), before=lambda: checkpoint.keep_newest(folder, 2))
        saved.value = number


def another_device(place: Path) -> Path | None:
    """Where a file could not be renamed to `place` from"""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shared.stat().st_dev != place.stat().st_dev else None


def saves(count: int, place: Path, chance: random.Random, report: Report) -> None:
    run, other = RunDirectory.create(place / "saving"), another_device(place)
    with tempfile.TemporaryDirectory(dir=other) as temporary, forking() as start:
        report.say(f"TMPDIR={temporary}, on {'another' if other else 'the same'} device: "
                   f"/dev/shm {'is one' if other else 'is none'}")
        saved = server().Value("q", 0, lock=False)
        for trial in range(1, count + 1):
            delay = kill_while_saving(start(save_for_ever, run.checkpoints, temporary, saved), saved, chance)
            half_written = any(run.checkpoints.glob(".*.tmp*"))
            number, problems = what_is_left(run, saved.value)
            problems += [f"{path.name} is in TMPDIR" for path in Path(temporary).iterdir()]
            what = "a file was half written" if half_written else "no file was half written"
            report.trial("saves", f"{trial} of {count}, killed after {delay}, when save {saved.value:,} was the newest "
                         f"to return and {what}: {number:,} is there", problems, [what])
            saved.value = number
    run.close()


@contextmanager
def forking():
    """Starts processes that have torch already: forked by a server with one thread, in no time and safely."""
    context, started = server(), []

    def start(function: Callable, *arguments: Any):
        started.append(context.Process(target=function, args=arguments, daemon=True))
        started[-1].start()
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            if process.is_alive():
                process.kill()
            process.join()


def kill_while_saving(process: Any, saved: Any, chance: random.Random) -> str:
    """Anywhere in the next five saves"""
    wait_for(saved, saved.value + 1)
    first = time.monotonic()
    wait_for(saved, saved.value + 1)
    delay = 5 * (time.monotonic() - first) * chance.random()
    time.sleep(delay)
    process.kill()
    process.join()
    return f"{1000 * delay:.1f} ms"


def wait_for(saved: Any, number: int) -> None:
    ends = time.monotonic() + PATIENCE
    while saved.value < number:
        if time.monotonic() > ends:
            raise TimeoutError(f"save {number} did not come")
        time.sleep(0.0002)


def what_is_left(run: RunDirectory, saved: int) -> tuple[int, list[str]]:
    """The newest number, and what is wrong: each save that returned is there, the one under way is whole or absent."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            content = checkpoint.newest_good(run.checkpoints)
    except RequestError as error:
        return saved, [str(error)]
    number = content["images_seen"]
    numbers = {value for tensor in content["module"].values() for value in tensor.unique().tolist()}
    problems = [] if numbers == {number} else [f"save {number} holds parts of {sorted(numbers)}"]
    problems += [] if saved <= number <= saved + 1 else [f"save {saved} returned, and {number} is there"]
    problems += [said.getvalue()] if "damaged" in said.getvalue() else []
    resuming.delete_later_results(run, number)
    problems += [f"{path.name} survived the next start" for path in run.path.glob("**/.*.tmp*")]
    return number, problems
