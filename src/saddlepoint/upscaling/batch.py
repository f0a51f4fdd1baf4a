"""Enlarges image files one after the other; a file that fails does not stop the others."""

from collections.abc import Mapping
from typing import Any

import torch

from saddlepoint.data.decoding import Unreadable
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import require_all_writable
from saddlepoint.game.modes import device_named
from saddlepoint.upscaling import headers, planning, weights, writing
from saddlepoint.upscaling.enlarging import enlarge, size_after
from saddlepoint.upscaling.file_batch import FileBatch
from saddlepoint.upscaling.picture import read_picture
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
        plan(chosen, "", settings)  # refuses before weights are downloaded; names have no ending here
    network, name, source = weights.load(settings["weights"])
    scale = settings["scale"] or network.scale
    planned, new_jobs = plan(chosen, f"_x{scale:g}", settings)
    say(f"weights: {name}, from {source}")
    for sentence in describe_left_out(chosen, len(planned) - len(new_jobs)):
        say(sentence)
    upscaler = TiledUpscaler(prepare_for_inference(network).to(device), settings["tile"], settings["overlap"])
    Batch(upscaler, name, scale, settings).run(new_jobs)


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

    def refuse(self, job: Job, size: tuple[int, int]) -> None:
        self.refuse_too_large(size_after(*size, self.scale), job.kind)

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
        low = read_picture(job.source, headers.limits_of(self.settings))
        high = enlarge(low, self.upscaler, self.settings["scale"], progress.tile)
        high = writing.fit_to_format(high, job.kind)
        self.write(job.target, high, job.kind)
        if self.settings["compare"]:
            self.write(job.comparison, side_by_side(low, high, self.name), "png")
        sizes = " -> ".join(f"{width} x {height}" for width, height in (low.size, high.size))
        notes = f" ({'; '.join(high.notes)})" if high.notes else ""
        return f"{job.source} -> {job.target}: {sizes}{notes}"
