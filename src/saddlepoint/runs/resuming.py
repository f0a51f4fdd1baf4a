"""Finds the run to resume with its checkpoint and settings, and cuts its files back to the state of the checkpoint."""

import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saddlepoint.config import extensions, former
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import Diverged, RequestError, RollBack
from saddlepoint.files import atomic
from saddlepoint.parallel.first import is_first
from saddlepoint.runs import checkpoint, reading, saved_settings
from saddlepoint.runs.checkpoint import FORMAT
from saddlepoint.runs.continued_settings import merge
from saddlepoint.runs.directory import Onlooker, RunDirectory, read_metrics, set_aside, update_metrics
from saddlepoint.runs.record import PARTS


@dataclass(frozen=True)
class Continuation:
    """A run that is resumed."""

    run: RunDirectory  # locked
    settings: dict[str, Any]  # the saved ones, changed by what was typed
    saved: dict[str, Any]  # the content of its newest undamaged checkpoint


def continuation(settings: Mapping[str, Any], typed: Sequence[str], directory: Path | None) -> Continuation | None:
    """Returns the run that resume= names, locked; None if a new run begins. Raises a RequestError if it cannot be
    resumed. `typed`: the overrides as Hydra lists them; `directory`: that of the job, in a sweep."""
    if is_requeued() and settings["resume"] is None and (directory or settings["run"]["dir"]):
        print("SLURM started this job again: resume=auto", file=sys.stderr)
        settings = {**settings, "resume": "auto"}
    resume = settings["resume"]
    if resume is None:
        return None
    path = _directory(settings, directory)
    if not any((path / "checkpoints").glob("last*.ckpt")):
        if resume != "auto":
            raise RequestError(f"resume={resume} holds no checkpoint (checkpoints/last.ckpt): name a run that wrote "
                               "one")
        print(f"resume=auto: {path} has no checkpoint, so training starts from the beginning", file=sys.stderr)
        if is_first():
            RunDirectory.clear_unsaved(path)
        return None
    run = RunDirectory.reopen(path) if is_first() else Onlooker(path)
    try:
        saved = checkpoint.newest_good(run.checkpoints)
        if saved["format"] != FORMAT:
            raise RequestError(f"resume={resume} was written by another version of saddlepoint (checkpoints of format "
                               f"{saved['format']}, here {FORMAT}): it can be drawn from, but not gone on with")
        before = saved_settings.require_parts(saved, run.last, saved_settings.OF_A_RUN)
        recorded = saved.get("extensions") or ()
        extensions.refuse_missing(before, recorded, f"resume={resume}")
        for sentence in extensions.changes_of_version(recorded):
            print(f"warning: {sentence}", file=sys.stderr)
        return Continuation(run, merge(settings, before, typed), saved)
    except BaseException:
        run.close()
        raise


@contextmanager
def closed_where_it_ends(continuation: Continuation | None) -> Iterator[Callable[[], object]]:
    """Unlocks the run at the end of the block, also by an error, unless what it yields was called."""
    with ExitStack() as stack:
        if continuation:
            stack.callback(continuation.run.close)
        yield stack.pop_all


def is_requeued() -> bool:
    """Returns whether SLURM has started this job again."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0


def _directory(settings: Mapping[str, Any], directory: Path | None) -> Path:
    resume, run_dir = settings["resume"], settings["run"]["dir"]
    if resume == "auto":
        if run_dir is None and directory is None:
            raise RequestError("resume=auto needs to know the run: type run.dir=PATH as well, or resume=PATH")
        return expanded(run_dir, "run.dir") if run_dir else directory
    path = expanded(resume, "resume")
    if run_dir is not None and expanded(run_dir, "run.dir") != path:
        raise RequestError(f"resume={resume} goes on in that very directory: leave run.dir={run_dir} out")
    if not path.is_dir():
        raise RequestError(f"resume={resume} is not a directory: name a run directory, or type resume=auto "
                           "run.dir=PATH to start where there is none")
    return path


def roll_back(path: Path, settings: Mapping[str, Any], end: RollBack) -> Continuation:
    """Returns a run that has just diverged, to be resumed from its newest undamaged checkpoint with learning rates
    multiplied by `end.lr_factor` for each roll-back since it was written. Prints a warning and notes the roll-back in
    metrics.json, since the result is no longer that of the settings. Raises Diverged if there is no checkpoint."""
    run = RunDirectory.reopen(path) if is_first() else Onlooker(path)
    try:
        saved = checkpoint.newest_good(run.checkpoints)
    except RequestError as error:
        run.close()
        raise Diverged(f"{end} There is nothing to roll back to yet: {error}; see callbacks.checkpointing") from error
    factor = end.lr_factor ** (end.count - _health(saved, 0)["roll_backs_done"])
    for optimizer in saved["optimizers"]:
        for group in optimizer["param_groups"]:
            group["initial_lr"] *= factor
    for number in range(len(saved["processes"])):
        _health(saved, number)["roll_backs_done"] = end.count
    print(f"warning: {end} Roll-back {end.count}: on from {saved['images_seen']:,} images with learning rates times "
          f"{end.lr_factor ** end.count:g}", file=sys.stderr)
    run.write_metrics({"roll_backs": {"count": end.count, "learning_rates_times": end.lr_factor ** end.count}})
    return Continuation(run, dict(settings), saved)


def _health(saved: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Returns the saved state of the health callback of process `number`."""
    return saved["processes"][number]["callbacks"]["Health"]


def delete_later_results(run: RunDirectory, images_seen: int) -> None:
    """Deletes the scores, the rows of metrics.csv and the pictures of later steps, which will be taken again, and the
    temporary files of a process that died."""
    for leftover in (*run.path.glob(".*.tmp*"), *run.checkpoints.glob(".*.tmp*"), *run.samples.glob(".*.tmp*")):
        leftover.unlink(missing_ok=True)
    table = run.path / "metrics.csv"
    if table.is_file():
        _delete_later_rows(table, images_seen)
    _delete_later_scores(run.path, images_seen)
    for picture in run.samples.glob("*.png"):
        match = reading.PICTURE.fullmatch(picture.name)
        if match and int(match[2]) > images_seen:
            picture.unlink()
    best = run.checkpoints / "best.ckpt"
    if best.is_file() and _images_seen(best) > images_seen:
        best.unlink()
        print(f"note: {best} was of a later step, which is made again: it begins anew", file=sys.stderr)


def _images_seen(path: Path) -> int:
    """Returns after how many images a checkpoint was written; 0 if it cannot be read, which who needs it says."""
    try:
        return checkpoint.load(path)["images_seen"]
    except RequestError:
        return 0


def _delete_later_scores(run: Path, images_seen: int) -> None:
    """Takes the values of later steps out of metrics.json. Their protocols stay, to be compared with those of the next
    values."""
    content = read_metrics(run)
    changed: dict[str, Any] = {part: [_without_value(each, images_seen) if _is_later(each, images_seen) else each
                                      for each in content[part]] for part in PARTS if content.get(part)}
    if content.get("best") and _is_later(content["best"], images_seen):
        changed["best"] = None
    if changed != {name: content[name] for name in changed}:
        update_metrics(run, changed)


def _is_later(score: Mapping[str, Any], images_seen: int) -> bool:
    return (score["images_seen"] or 0) > images_seen


def _without_value(score: Mapping[str, Any], images_seen: int) -> dict[str, Any]:
    emptied = {"value": None, "interval": None, "details": {}, "images_seen": images_seen,
               "protocol_since": min(score.get("protocol_since", 0), images_seen + 1),
               "reason": f"the run went on from {images_seen:,} images, before it was measured"}
    return {**score, **{name: value for name, value in emptied.items() if name in (*score, "reason")}}


def _delete_later_rows(table: Path, images_seen: int) -> None:
    """Deletes the rows after `images_seen`, and a last row that a crash cut off. A damaged table is set aside."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            columns, *rows = list(csv.reader(file)) or [[]]
        if not columns:
            return
        at = columns.index("images_seen")
    except (ValueError, csv.Error):
        set_aside(table)
        return
    remaining = [row for row in rows
                 if len(row) == len(columns) and row[at].isdecimal() and int(row[at]) <= images_seen]

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[*map(former.curve_name, columns)], *remaining])

    atomic.write_atomically(table, write)
