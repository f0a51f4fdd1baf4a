"""Enlarges image files one after the other; a file that fails does not stop the others."""

import errno
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from saddlepoint.data.decoding import Unreadable
from saddlepoint.errors import DiskFull, EndOfRun, RequestError, Stopped
from saddlepoint.files.outputs import require_all_writable
from saddlepoint.game.modes import device_named
from saddlepoint.upscaling import headers, planning, weights, writing
from saddlepoint.upscaling.enlarging import enlarge, size_after
from saddlepoint.upscaling.picture import Picture, read_picture
from saddlepoint.upscaling.planning import Job, Sources
from saddlepoint.upscaling.progress_bar import Progress, say
from saddlepoint.upscaling.side_by_side import side_by_side
from saddlepoint.upscaling.tiling import TiledUpscaler, prepare_for_inference

Settings = Mapping[str, Any]
OUTPUT_TIMES = 16  # times max_pixels is what an output may have: the largest input enlarged four times


def upscale(settings: Settings) -> None:
    """Upscales all files that input= names. Raises a RequestError before the first is read if the request cannot be
    met, and an EndOfRun after the last if some of them failed."""
    if not settings["input"]:
        raise RequestError("input is not set: name an image file, a folder, or a pattern, e.g. input=photo.png")
    chosen = planning.find_sources(settings["input"], settings["recursive"])
    device = device_named(settings["device"])
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    if settings["output"]:
        plan(chosen, 0, settings)  # refuses before weights are downloaded; names do not depend on the scale here
    network, name, source = weights.load(settings["weights"])
    scale = settings["scale"] or network.scale
    planned, new_jobs = plan(chosen, scale, settings)
    say(f"weights: {name}, from {source}")
    for sentence in describe_left_out(chosen, len(planned) - len(new_jobs)):
        say(sentence)
    upscaler = TiledUpscaler(prepare_for_inference(network).to(device), settings["tile"], settings["overlap"])
    Batch(upscaler, name, scale, settings).run(new_jobs)


def plan(chosen: Sources, scale: float, settings: Settings) -> tuple[list[Job], list[Job]]:
    """Returns the jobs of all inputs, and those of them whose results do not exist yet. Raises a RequestError if
    results cannot be written."""
    planned = planning.plan_jobs(chosen, settings["output"], settings["format"], scale)
    planning.refuse_to_overwrite_inputs(planned)
    new_jobs = planning.select_new(planned, settings["compare"], settings["overwrite"])
    targets = [job.target for job in new_jobs]
    require_all_writable(targets, f"output={settings['output'] or targets[0].parent}")
    return planned, new_jobs


def describe_left_out(chosen: Sources, existing: int) -> list[str]:
    """Returns sentences about files that are not upscaled. `existing`: how many results exist already."""
    sentences = [f"left out: {'; '.join(chosen.passed_over)}"] if chosen.passed_over else []
    if chosen.left_out:
        sentences.append(f"left out: {chosen.left_out} files in folders below (recursive=true takes them)")
    if existing:
        sentences.append(f"left as they are: {existing} results that exist already (overwrite=true replaces them)")
    return sentences


class Batch:
    """Files that are upscaled one after the other.

    upscaler: the network.
    name: the network's name, for the titles of comparisons.
    scale: output pixels per input pixel, along a side.
    settings: those of upscale.py.

    `failures` has the reason for each file that failed. `bugs` has errors that no file should cause; the first of them
    is raised when all other files are done."""

    def __init__(self, upscaler: TiledUpscaler, name: str, scale: float, settings: Settings):
        self.upscaler, self.name, self.scale, self.settings = upscaler, name, scale, settings
        self.failures: dict[Path, str] = {}
        self.bugs: list[Exception] = []
        self.done = 0

    def run(self, planned: Sequence[Job]) -> None:
        """Does all jobs. When it is interrupted or the disk is full, the error says how many are done."""
        sizes = {job: size for job in planned if (size := self.size_of(job))}
        progress = Progress(len(sizes), sum(width * height for width, height in sizes.values()))
        count_and_advice = f"of {len(planned)} done. The same command goes on with the rest"
        try:
            for job, (width, height) in sizes.items():
                with progress.working_on(job.source.name, width * height):
                    self.attempt(job, progress)
        except KeyboardInterrupt as error:
            raise Stopped(f"Stopped by SIGINT: {self.done} {count_and_advice}", 130) from error
        except DiskFull as full:
            raise DiskFull(f"{full}: {self.done} {count_and_advice}, when there is room") from full
        finally:
            progress.close()
        self.conclude(planned)

    @contextmanager
    def noting_failures(self, job: Job) -> Iterator[None]:
        """Catches an error within the block and notes it as the job's failure, so that the next job can follow. A full
        disk is raised, as it would stop the others too."""
        try:
            yield
        except DiskFull as full:
            if getattr(full.__cause__, "errno", None) != errno.EFBIG:  # larger than any file may be
                raise
            self.note_failure(job, str(full))
        except (Unreadable, RequestError, OSError, MemoryError) as error:
            self.note_failure(job, getattr(error, "strerror", None) or str(error) or "not enough memory")
        except Exception as bug:
            self.bugs.append(bug)
            self.note_failure(job, f"{type(bug).__name__}: {bug}")

    def size_of(self, job: Job) -> tuple[int, int] | None:
        """Returns an input's width and height from its header. If that shows that the job cannot be done, notes the
        failure and returns None."""
        with self.noting_failures(job):
            size = headers.size_of(job.source, headers.limits_of(self.settings))
            self.refuse_too_large(size_after(*size, self.scale), job.kind)
            for path in (job.target, job.comparison)[:1 + self.settings["compare"]]:
                if path.is_dir():
                    raise Unreadable(f"its result {path} is a folder: move it, or type output= for another place")
            return size
        return None

    def note_failure(self, job: Job, reason: str) -> None:
        self.failures[job.source] = reason
        say(f"{job.source} was left out: {reason}", sys.stderr)

    def refuse_too_large(self, size: tuple[int, int], kind: str) -> None:
        """Raises Unreadable if a result of this size has too many pixels, or more on a side than its format allows."""
        width, height = size
        limit = OUTPUT_TIMES * self.settings["max_pixels"]
        if width * height > limit:
            raise Unreadable(f"scale={self.scale:g} would make {width} x {height} pixels of it, more than "
                             f"{OUTPUT_TIMES} times max_pixels={self.settings['max_pixels']}: type a smaller scale=")
        if max(size) > writing.MOST_PIXELS.get(kind, limit):
            raise Unreadable(f"{width} x {height} pixels do not fit into {writing.FORMATS[kind]}, which takes "
                             f"{writing.MOST_PIXELS[kind]} a side: type format=png")

    def attempt(self, job: Job, progress: Progress) -> None:
        with self.noting_failures(job):
            result = self.upscale_file(job, progress)
            self.done += 1
            say(result)

    def upscale_file(self, job: Job, progress: Progress) -> str:
        """Upscales one file and returns the line to print about it."""
        low = read_picture(job.source, headers.limits_of(self.settings))
        high = enlarge(low, self.upscaler, self.settings["scale"], progress.tile)
        high = writing.fit_to_format(high, job.kind)
        self.write(job.target, high, job.kind)
        if self.settings["compare"]:
            self.write(job.comparison, side_by_side(low, high, self.name), "png")
        sizes = " -> ".join(f"{width} x {height}" for width, height in (low.size, high.size))
        notes = f" ({'; '.join(high.notes)})" if high.notes else ""
        return f"{job.source} -> {job.target}: {sizes}{notes}"

    def write(self, path: Path, picture: Picture, kind: str) -> None:
        try:
            writing.write(path, picture, kind, quality=self.settings["quality"])
        except DiskFull:
            raise
        except OSError as error:
            raise RequestError(f"its result {path} cannot be written: {error.strerror or error}") from error

    def conclude(self, planned: Sequence[Job]) -> None:
        """Raises the first bug, or an error that names the failed files; else prints how many are done."""
        failed = (f"{len(self.failures)} of {len(planned)} images could not be upscaled: "
                  + ", ".join(map(str, self.failures)))
        if self.bugs:
            say(failed, sys.stderr)
            raise self.bugs[0]
        self.refuse_if_all_failed(planned)
        if self.failures:
            raise EndOfRun(failed)
        if len(planned) > 1:
            say(f"{self.done} images upscaled")

    def refuse_if_all_failed(self, planned: Sequence[Job]) -> None:
        if len(self.failures) == len(planned):
            raise RequestError(f"None of {len(planned)} images could be upscaled" if len(planned) > 1 else
                               f"input={planned[0].source} could not be upscaled")
