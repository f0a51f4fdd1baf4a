"""What upscale.py does: image files through a network, each to a file of its own; a bad one does not stop the rest."""

import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from saddlepoint.data.decoding import Unreadable
from saddlepoint.errors import EndOfRun, RequestError, Stopped
from saddlepoint.modules.modes import device_named
from saddlepoint.upscaling import files, headers, reading, weights, writing
from saddlepoint.upscaling.enlarging import enlarged, size_after
from saddlepoint.upscaling.files import Job
from saddlepoint.upscaling.progress import Progress
from saddlepoint.upscaling.side_by_side import side_by_side
from saddlepoint.upscaling.tiling import TiledUpscaler

Settings = Mapping[str, Any]
OUTPUT_TIMES = 16  # an output may have so many times max_pixels: x4 of the largest input


def upscale(settings: Settings) -> None:
    if not settings["input"]:
        raise RequestError("input is not set: name an image file, a folder, or a pattern, e.g. input=photo.png")
    chosen = files.sources(settings["input"], settings["recursive"])
    device = device_named(settings["device"])
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    network, name, source = weights.load(settings["weights"])
    scale = settings["scale"] or network.scale
    planned = files.jobs(chosen, settings["output"], settings["format"], scale)
    files.refuse_to_overwrite_inputs(planned)
    new = files.new_only(planned, settings["compare"], settings["overwrite"])
    print(f"weights: {name}, from {source}")
    for sentence in left_out(chosen.left_out, len(planned) - len(new)):
        print(sentence)
    upscaler = TiledUpscaler(network.to(device), settings["tile"], settings["overlap"])
    Batch(upscaler, name, scale, settings).run(new)


def left_out(below: int, existing: int) -> list[str]:
    sentences = []
    if below:
        sentences.append(f"left out: {below} files in folders below (recursive=true takes them)")
    if existing:
        sentences.append(f"left as they are: {existing} results that exist already (overwrite=true replaces them)")
    return sentences


class Batch:
    """Files one after the other; `failures` by name, with the reasons."""

    def __init__(self, upscaler: TiledUpscaler, name: str, scale: float, settings: Settings):
        self.upscaler, self.name, self.scale, self.settings = upscaler, name, scale, settings
        self.failures: dict[Path, str] = {}
        self.done = 0

    def run(self, planned: Sequence[Job]) -> None:
        sizes = {job: size for job in planned if (size := self.size_of(job))}
        progress = Progress(len(sizes), sum(width * height for width, height in sizes.values()))
        try:
            for job, (width, height) in sizes.items():
                with progress.on(job.source.name, width * height):
                    self.attempt(job, progress)
        except KeyboardInterrupt as error:
            progress.close()
            raise Stopped(f"Stopped by SIGINT: {self.done} of {len(planned)} done. The same command goes on with the "
                          "rest", 130) from error
        progress.close()
        self.conclude(planned)

    def size_of(self, job: Job) -> tuple[int, int] | None:
        """From the header; None, and a failure, if the file cannot be upscaled."""
        try:
            size = headers.size_of(job.source, self.settings["max_pixels"])
            self.refuse_too_large(size_after(*size, self.scale), job.kind)
            return size
        except Unreadable as error:
            self.fail(job, str(error))
            return None

    def fail(self, job: Job, why: str) -> None:
        self.failures[job.source] = why
        tqdm.write(f"{job.source} was left out: {why}", file=sys.stderr)  # above the bar, if there is one

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
        try:
            line = self.upscale_file(job, progress)
            self.done += 1
            tqdm.write(line)
        except (Unreadable, RequestError, OSError, MemoryError) as error:
            self.fail(job, getattr(error, "strerror", None) or str(error) or "not enough memory")

    def upscale_file(self, job: Job, progress: Progress) -> str:
        """-> a line that says what came of it"""
        low = reading.read(job.source, self.settings["max_pixels"])
        high = writing.fitted(enlarged(low, self.upscaler, self.settings["scale"], progress.tile), job.kind)
        write = functools.partial(writing.write, quality=self.settings["quality"])
        write(job.target, high, job.kind)
        if self.settings["compare"]:
            write(job.comparison, side_by_side(low, high, self.name), "png")
        sizes = " -> ".join(f"{width} x {height}" for width, height in (low.size, high.size))
        notes = f" ({'; '.join(high.notes)})" if high.notes else ""
        return f"{job.source} -> {job.target}: {sizes}{notes}"

    def conclude(self, planned: Sequence[Job]) -> None:
        self.refuse_if_all_failed(planned)
        if self.failures:
            raise EndOfRun(f"{len(self.failures)} of {len(planned)} images could not be upscaled: "
                           + ", ".join(map(str, self.failures)))
        if len(planned) > 1:
            print(f"{self.done} images upscaled")

    def refuse_if_all_failed(self, planned: Sequence[Job]) -> None:
        if len(self.failures) == len(planned):
            raise RequestError(f"None of {len(planned)} images could be upscaled" if len(planned) > 1 else
                               f"input={planned[0].source} could not be upscaled")
