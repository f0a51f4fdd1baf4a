"""Runs that are killed, stopped and run out of disk, and are compared with one that nothing happened to."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint
from tests.chaos.processes import Training
from tests.chaos.report import Report
from tests.comparing_runs import FAMILIES, NARROW, SMALL, differences, status
from tests.data.formats import write_photo_folder

LEAVING = "completed, and not gone yet"  # a phase in which a kill changes nothing
KILLED_EARLY = 0.2  # share of kills before a run says that it is running
# Two checkpoints in three steps, at the very end too; a few seconds
BUSY = ("threads=1", "budget.images=960", "callbacks.checkpointing.every_images=12")
WATCHED = "dcgan, moving average, averaged rows"
# Rows, pictures and best.ckpt come before the first checkpoint, and a last row and picture after all steps
SELDOM = ("callbacks.checkpointing.every_images=120", "callbacks.image_grid.every_images=100",
          "callbacks.scalars.every_images=50", "callbacks.sample_quality.every_images=50")
FOLDER = "image folder, two workers"
FOLDER_SETTINGS = (*NARROW, "data=image_folder", "data.image_size=16", "data.subset_size=null", "data.crop=random",
                   "data.horizontal_flip=true", "callbacks=none", "data.num_workers=2")
LONG = (WATCHED, "wgan-gp with three critic steps", "conditional, dropout",
        "super-resolution, warm-up, game", FOLDER)
EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 143}


class Case:
    """One family with one training seed. `whole` is the run that nothing happened to; `start` and `training` are the
    seconds it took to say that it runs and from there to its end."""

    def __init__(self, family: str, seed: int, place: Path, more: tuple[str, ...] = BUSY):
        self.name, self.place = f"{family}, seed={seed}", place
        special = FOLDER_SETTINGS if family == FOLDER else FAMILIES[family]
        seldom = SELDOM if family == WATCHED else ()
        self.settings = (*SMALL, *special, *more, *seldom, f"seed={seed}")
        place.mkdir(parents=True)
        if family == FOLDER:
            write_photo_folder(place / "photos")
            self.settings += (f"data.root={place / 'photos'}",)
        self.whole, self.lives = place / "whole", 0

    def train_whole(self) -> list[str]:
        started = time.monotonic()
        training = Training(self.settings, self.whole)
        training.wait_for(lambda: training.is_running)
        self.start = time.monotonic() - started
        code = training.end()
        self.training = time.monotonic() - started - self.start
        return [f"exit code {code}: {training.last_line()}"] if code else []

    def new_life(self) -> Path:
        self.lives += 1
        return self.place / f"life-{self.lives}"

    def complete(self, run: Path) -> list[str]:
        """Go on to the end; what is wrong then"""
        training = Training(self.settings, run)
        return self.wrong_after(training, training.end())

    def wrong_after(self, training: Training, code: int) -> list[str]:
        if code:
            return [f"exit code {code}: {training.last_line()} ({training.log})"]
        return [*leftovers(training.run), *differences(self.whole, training.run)]


def kills(case: Case, count: int, chance: random.Random, report: Report) -> None:
    """Lives with kills, each to its end, until there were `count`."""
    while count:
        run, phases, problems = case.new_life(), [], None
        while problems is None:
            training = Training(case.settings, run)
            phase = killed(training, case, chance) if len(phases) < count else None
            phases += [phase] if phase else []
            if phase is None:
                problems = case.wrong_after(training, training.end())
            elif phase == LEAVING:
                (run / ".lock").unlink(missing_ok=True)  # which nobody holds any more
                problems = case.wrong_after(training, code=0)
        count -= len(phases)
        report.trial("kills", f"{case.name}: {len(phases)} kills ({', '.join(phases) or 'none in time'})", problems,
                     phases)
        if problems:
            return


def killed(training: Training, case: Case, chance: random.Random) -> str | None:
    """In which phase it was; None: it was over before. Uniform over the start or over half of what follows, so that
    several kills hit one life, and some its end."""
    early, share = chance.random() < KILLED_EARLY, chance.random()
    if not early:
        training.wait_for(lambda: training.is_running)
    if training.is_over_within(share * (case.start if early else case.training / 2)):
        return None
    running = training.is_running
    training.kill()
    if is_completed(training.run):
        return LEAVING
    return phase_of(training.run, case) if running else "starting"


def is_completed(run: Path) -> bool:
    return (run / "status.json").exists() and status(run)["state"] == "completed"


def phase_of(run: Path, case: Case) -> str:
    folder = run / "checkpoints"
    if list(folder.glob(".last*.tmp*")):
        return "saving"
    if list(run.glob("**/.*.tmp*")):
        return "writing another file"
    try:
        with redirect_stderr(StringIO()):
            seen = checkpoint.newest_good(folder)["images_seen"]
    except RequestError:
        return "before the first checkpoint"
    return "after the last checkpoint" if seen >= status(case.whole)["images_seen"] else "between two checkpoints"


def signals(case: Case, number: signal.Signals, chance: random.Random, report: Report) -> None:
    """One signal at a random time of training: the step under way is finished, and the run goes on bit for bit."""
    run, training = begun(case)
    if training.is_over_within(chance.random() * case.training / 2):
        report.trial("signals", f"{case.name}: {number.name} came too late", [], ["too late"])
        return
    training.send(number)
    code, problems = training.end(), []
    if code != EXIT_CODES[number]:
        problems.append(f"exit code {code}, not {EXIT_CODES[number]}: {training.last_line()}")
    else:
        said, seen = status(run), checkpoint.load(run / "checkpoints" / "last.ckpt")["images_seen"]
        problems += [] if (said["state"], said["images_seen"]) == ("stopped", seen) else [f"status.json: {said}"]
        problems += [*leftovers(run), *tracebacks(training)] or case.complete(run)
    report.trial("signals", f"{case.name}: {number.name}, exit code {code}", problems, [f"exit code {code}"])


def full_disks(case: Case, chance: random.Random, report: Report) -> None:
    """From a random time on no file grows beyond a random size: a sentence ends the run, and later it goes on."""
    run, training = begun(case)
    last = run / "checkpoints" / "last.ckpt"
    training.wait_for(last.exists)
    training.is_over_within(chance.random() * case.training / 3)
    limit = int(chance.random() ** 3 * (case.whole / "checkpoints" / "last.ckpt").stat().st_size)
    training.limit_files(limit)
    code, problems = training.end(), []
    if code != 5 or "cannot be written" not in training.said():
        problems.append(f"exit code {code}, not 5: {training.last_line()} ({training.log})")
    problems += [f"left {path.name}" for path in (run / "checkpoints").glob(".*.tmp*")]
    problems += tracebacks(training)
    report.trial("full disks", f"{case.name}: no file beyond {limit:,} bytes, exit code {code}",
                 problems or case.complete(run))


def begun(case: Case) -> tuple[Path, Training]:
    """A life whose first steps are taken"""
    run = case.new_life()
    training = Training(case.settings, run)
    training.wait_for((run / "metrics.csv").exists)
    return run, training


def leftovers(run: Path) -> Iterator[str]:
    yield from (f"left {path.relative_to(run)}" for path in [*run.glob("**/.*.tmp*"), *run.glob(".lock")])


def tracebacks(training: Training) -> Iterator[str]:
    if "Traceback" in training.said():
        yield f"a traceback in {training.log}"
