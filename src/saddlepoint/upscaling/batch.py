"""Enlarges image files one after the other, or several processes do. A file that fails does not stop the others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from saddlepoint.data.decoding import Unreadable
from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.files.outputs import require_all_writable
from saddlepoint.game.devices import name_of
from saddlepoint.game.modes import device_named, device_of
from saddlepoint.parallel.collectives import gather_objects, join_processes, place, share_results
from saddlepoint.parallel.first import only_the_first_speaks
from saddlepoint.upscaling import headers, planning, weights, writing
from saddlepoint.upscaling.enlarging import enlarge, size_after
from saddlepoint.upscaling.file_batch import FileBatch
from saddlepoint.upscaling.picture import Picture, read_picture
from saddlepoint.upscaling.planning import Job, Sources
from saddlepoint.upscaling.precision import chosen_precision
from saddlepoint.upscaling.progress_bar import Progress, say
from saddlepoint.upscaling.side_by_side import side_by_side
from saddlepoint.upscaling.tile_choice import largest_tile
from saddlepoint.upscaling.tiling import TILE, TiledUpscaler, prepare_for_inference
from saddlepoint.upscaling.writing_behind import WritingBehind

Settings = Mapping[str, Any]
WAIT = timedelta(days=7)  # that a process waits for the others, whose pictures may be larger
OUTPUT_TIMES = 16  # times max_pixels is what an output may have: the largest input enlarged four times


def upscale(settings: Settings) -> list[Path]:
    """Upscales all files that input= names, shared among the processes that a launcher started. Returns the path of
    each file's result, also where it existed already. Raises a RequestError before the first is read if the request
    cannot be met, and an EndOfRun after the last if some of them failed."""
    prepared: list[tuple[Batch, list[Job], list[Job]]] = []
    with join_processes(WAIT):
        with only_the_first_speaks():
            share_results(lambda: prepared.append(prepare(settings)))  # no result is there before all have looked
        batch, planned, new_jobs = prepared[0]
        batch.run(new_jobs)
    return [job.target for job in planned]


def prepare(settings: Settings) -> "tuple[Batch, list[Job], list[Job]]":
    """Returns the batch, the jobs of all inputs, and those of them whose results do not exist yet, for all processes.
    Raises a RequestError if the request cannot be met."""
    if not settings["input"]:
        raise RequestError("input is not set: name an image file, a folder, or a pattern, e.g. input=photo.png")
    chosen = planning.find_sources(settings["input"], settings["recursive"])
    device = device_named(settings["device"])
    precision = chosen_precision(settings["precision"], device)
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    if settings["output"]:
        plan(chosen, "", settings)  # refuses before weights are downloaded; names have no ending here
    network, name, source = weights.load(settings["weights"])
    scale = settings["scale"] or network.scale
    planned, new_jobs = plan(chosen, f"_x{scale:g}", settings)
    say(f"weights: {name}, from {source}")
    for sentence in describe_left_out(chosen, len(planned) - len(new_jobs)):
        say(sentence)
    tile = TILE if settings["tile"] == "auto" else settings["tile"]
    upscaler = TiledUpscaler(prepare_for_inference(network).to(device), tile, settings["overlap"], precision)
    if settings["tile"] == "auto":
        upscaler.tile = largest_tile(upscaler)
    say(f"device: {name_of(device)}, precision {precision}, tiles of {upscaler.tile} pixels")
    return Batch(upscaler, name, scale, settings), planned, new_jobs


def plan(chosen: Sources, ending: str, settings: Settings) -> tuple[list[Job], list[Job]]:
    """Returns the jobs of all inputs, and those of them whose results do not exist yet. Raises a RequestError if
    results cannot be written. `ending`: see plan_jobs."""
    planned = planning.plan_jobs(chosen, settings["output"], settings["format"], ending)
    planning.refuse_to_overwrite_inputs(planned)
    new_jobs = planning.select_new(planned, settings["compare"], settings["overwrite"])
    targets = [job.target for job in new_jobs]
    require_all_writable(targets, f"output={settings['output'] or targets[0].parent}")
    return planned, new_jobs


def describe_left_out(chosen: Sources, existing: int) -> list[str]:
    """Returns sentences about files of which no result is made. `existing`: how many results exist already."""
    sentences = [f"left out: {'; '.join(chosen.passed_over)}"] if chosen.passed_over else []
    if chosen.left_out:
        sentences.append(f"left out: {chosen.left_out} files in folders below (recursive=true takes them)")
    if existing:
        sentences.append(f"left as they are: {existing} results that exist already (overwrite=true replaces them)")
    return sentences


class Batch(FileBatch):
    """Files that are upscaled one after the other.

    upscaler: the network.
    name: the network's name, for the titles of comparisons.
    scale: output pixels per input pixel, along a side.
    settings: those of upscale.py.
    """

    verb = "upscaled"

    def __init__(self, upscaler: TiledUpscaler, name: str, scale: float, settings: Settings):
        super().__init__(settings)
        self.upscaler, self.name, self.scale = upscaler, name, scale
        self.behind = WritingBehind(self) if device_of(upscaler.network).type == "cuda" else None

    def run(self, planned: Sequence[Job]) -> None:
        """Does every n-th of the jobs, where there are n processes."""
        number, num_processes = place()
        self.of_all = planned
        super().run(planned[number::num_processes])

    def conclude(self, planned: Sequence[Job]) -> None:
        """Lets the first process conclude for all of them, and all end alike."""
        shares = gather_objects((self.failures, self.done))
        self.failures = {source: reason for failures, _ in shares for source, reason in failures.items()}
        self.done = sum(done for _, done in shares)
        try:
            with only_the_first_speaks():
                super().conclude(self.of_all)
        except EndOfRun as end:
            end.of_all = end.agreed = True
            raise

    @contextmanager
    def completing(self) -> Iterator[None]:
        with self.behind or nullcontext():
            yield

    def attempt(self, job: Job, progress: Progress) -> None:
        if self.behind is None:
            super().attempt(job, progress)
        else:
            self.behind.attempt(job, lambda: self.enlarged(job, progress), self.written)

    def refuse(self, job: Job, size: tuple[int, int]) -> None:
        self.refuse_too_large(size_after(*size, self.scale), job.kind)

    def way_to_less_memory(self) -> str:
        return "type a smaller max_pixels=, or weights= of a smaller scale, as the network's whole result has to fit"

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

    def convert(self, job: Job, progress: Progress) -> str:
        return self.written(job, *self.enlarged(job, progress))

    def enlarged(self, job: Job, progress: Progress) -> tuple[Picture, Picture]:
        """Returns the picture of a file and its enlargement."""
        low = read_picture(job.source, headers.limits_of(self.settings))
        return low, enlarge(low, self.upscaler, self.settings["scale"], progress.tile)

    def written(self, job: Job, low: Picture, high: Picture) -> str:
        """Writes the comparison, if it is missing, and the result; returns the line to print."""
        high = writing.fit_to_format(high, job.kind)
        files = planning.files_to_write(job, self.settings["compare"], self.settings["overwrite"])
        if job.comparison in files:
            self.write(job.comparison, side_by_side(low, high, self.name), "png")
        self.write(job.target, high, job.kind)
        sizes = " -> ".join(f"{width} x {height}" for width, height in (low.size, high.size))
        notes = f" ({'; '.join(high.notes)})" if high.notes else ""
        return f"{job.source} -> {job.target}: {sizes}{notes}"
