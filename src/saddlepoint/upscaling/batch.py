"""Sends image files through a network, each to a file of its own; a bad file does not stop the rest."""

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
from saddlepoint.upscaling import headers, planning, reading, weights, writing
from saddlepoint.upscaling.enlarging import enlarged, size_after
from saddlepoint.upscaling.picture import Picture
from saddlepoint.upscaling.planning import Job, Sources
from saddlepoint.upscaling.progress_bar import Progress, say
from saddlepoint.upscaling.side_by_side import side_by_side
from saddlepoint.upscaling.tiling import TiledUpscaler, only_to_use

Settings = Mapping[str, Any]
OUTPUT_TIMES = 16  # an output may have so many times max_pixels: x4 of the largest input


def upscale(settings: Settings) -> None:
    if not settings["input"]:
        raise RequestError("input is not set: name an image file, a folder, or a pattern, e.g. input=photo.png")
    chosen = planning.sources(settings["input"], settings["recursive"])
    device = device_named(settings["device"])
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    if settings["output"]:
        plan(chosen, 0, settings)  # no name depends on the scale then: what is wrong is said before weights are fetched
    network, name, source = weights.load(settings["weights"])
    scale = settings["scale"] or network.scale
    planned, new = plan(chosen, scale, settings)
    say(f"weights: {name}, from {source}")
    for sentence in left_out(chosen, len(planned) - len(new)):
        say(sentence)
    upscaler = TiledUpscaler(only_to_use(network).to(device), settings["tile"], settings["overlap"])
    Batch(upscaler, name, scale, settings).run(new)


def plan(chosen: Sources, scale: float, settings: Settings) -> tuple[list[Job], list[Job]]:
    """Returns a job for each input, and those jobs that are still to be done, after a check that their results can
    be written."""
    planned = planning.jobs(chosen, settings["output"], settings["format"], scale)
    planning.refuse_to_overwrite_inputs(planned)
    new = planning.new_only(planned, settings["compare"], settings["overwrite"])
    targets = [job.target for job in new]
    require_all_writable(targets, f"output={settings['output'] or targets[0].parent}")
    return planned, new


def left_out(chosen: Sources, existing: int) -> list[str]:
    sentences = [f"left out: {'; '.join(chosen.passed_over)}"] if chosen.passed_over else []
    if chosen.left_out:
        sentences.append(f"left out: {chosen.left_out} files in folders below (recursive=true takes them)")
    if existing:
        sentences.append(f"left as they are: {existing} results that exist already (overwrite=true replaces them)")
    return sentences


class Batch:
    """Files that are upscaled one after the other. `failures` has the reasons by file name. `bugs` are failures that
    no file should cause: all other files are done first, then the first bug is raised."""

    def __init__(self, upscaler: TiledUpscaler, name: str, scale: float, settings: Settings):
        self.upscaler, self.name, self.scale, self.settings = upscaler, name, scale, settings
        self.failures: dict[Path, str] = {}
        self.bugs: list[Exception] = []
        self.done = 0

    def run(self, planned: Sequence[Job]) -> None:
        sizes = {job: size for job in planned if (size := self.size_of(job))}
        progress = Progress(len(sizes), sum(width * height for width, height in sizes.values()))
        rest = f"of {len(planned)} done. The same command goes on with the rest"
        try:
            for job, (width, height) in sizes.items():
                with progress.on(job.source.name, width * height):
                    self.attempt(job, progress)
        except KeyboardInterrupt as error:
            raise Stopped(f"Stopped by SIGINT: {self.done} {rest}", 130) from error
        except DiskFull as full:
            raise DiskFull(f"{full}: {self.done} {rest}, when there is room") from full
        finally:
            progress.close()
        self.conclude(planned)

    @contextmanager
    def on_its_own(self, job: Job) -> Iterator[None]:
        """Notes an error of one file and goes on with the next, unless the error would stop the others too, as a
        full disk does."""
        try:
            yield
        except DiskFull as full:
            if getattr(full.__cause__, "errno", None) != errno.EFBIG:  # too large for a file, and others may be smaller
                raise
            self.fail(job, str(full))
        except (Unreadable, RequestError, OSError, MemoryError) as error:
            self.fail(job, getattr(error, "strerror", None) or str(error) or "not enough memory")
        except Exception as bug:
            self.bugs.append(bug)
            self.fail(job, f"{type(bug).__name__}: {bug}")

    def size_of(self, job: Job) -> tuple[int, int] | None:
        """Returns a file's size from its header; None if it cannot be upscaled, which is noted as a failure."""
        with self.on_its_own(job):
            size = headers.size_of(job.source, headers.limits(self.settings))
            self.refuse_too_large(size_after(*size, self.scale), job.kind)
            for path in (job.target, job.comparison)[:1 + self.settings["compare"]]:
                if path.is_dir():
                    raise Unreadable(f"its result {path} is a folder: move it, or type output= for another place")
            return size
        return None

    def fail(self, job: Job, why: str) -> None:
        self.failures[job.source] = why
        say(f"{job.source} was left out: {why}", sys.stderr)

    def refuse_too_large(self, size: tuple[int, int], kind: str) -> None:
        width, height = size
        most = OUTPUT_TIMES * self.settings["max_pixels"]
        if width * height > most:
            raise Unreadable(f"scale={self.scale:g} would make {width} x {height} pixels of it, more than "
                             f"{OUTPUT_TIMES} times max_pixels={self.settings['max_pixels']}: type a smaller scale=")
        if max(size) > writing.MOST_PIXELS.get(kind, most):
            raise Unreadable(f"{width} x {height} pixels do not fit into {writing.FORMATS[kind]}, which takes "
                             f"{writing.MOST_PIXELS[kind]} a side: type format=png")

    def attempt(self, job: Job, progress: Progress) -> None:
        with self.on_its_own(job):
            result = self.upscale_file(job, progress)
            self.done += 1
            say(result)

    def upscale_file(self, job: Job, progress: Progress) -> str:
        """Upscales one file and returns a line that says what became of it."""
        low = reading.read(job.source, headers.limits(self.settings))
        high = writing.fitted(enlarged(low, self.upscaler, self.settings["scale"], progress.tile), job.kind)
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
