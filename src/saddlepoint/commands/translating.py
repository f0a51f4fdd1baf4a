"""Translates image files by the generator of a run, for saddlepoint-translate. K channels of the source, H x W pixels.

Files are read as training reads them: 8 bits, over black where they are transparent. What else they hold (EXIF, colour
profiles) is not carried over.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from saddlepoint.config.rules import ImageSize
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import pixels
from saddlepoint.data.decoding import decode
from saddlepoint.data.resizing import ResizeAndCrop
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import device_named, device_of
from saddlepoint.metrics.extractors.preparing import COLOURS
from saddlepoint.sampling.translation import load_translator
from saddlepoint.sampling.translation import translate as translations
from saddlepoint.upscaling import batch, headers, planning, writing
from saddlepoint.upscaling.file_batch import FileBatch
from saddlepoint.upscaling.picture import Picture
from saddlepoint.upscaling.planning import Job, Sources
from saddlepoint.upscaling.progress_bar import Progress, say

Settings = Mapping[str, Any]
ENDING = "_translated"  # of a result beside its input, or of their folder


def translate(settings: Settings) -> list[Path]:
    """Translates all files that input= names. Returns the path of each file's result, also where it existed already.
    Raises a RequestError before the first is read if the request cannot be met, and an EndOfRun after the last if some
    of them failed."""
    refuse_missing(settings)
    settings = settings | {"compare": False}
    chosen = planning.find_sources(settings["input"], settings["recursive"])
    if not settings["output"] and has_no_name(chosen):
        settings = settings | {"output": str(chosen.root / ENDING.strip("_"))}
    planned, new_jobs = batch.plan(chosen, ENDING, settings)
    device = device_named(settings["device"])
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    network, image_size = load_translator(expanded(settings["run"], "run"), settings["direction"], settings["weights"])
    refuse_channels(network, settings)
    for sentence in batch.describe_left_out(chosen, len(planned) - len(new_jobs)):
        say(sentence)
    Translations(network.to(device), image_size, settings).run(new_jobs)
    return [job.target for job in planned]


def refuse_missing(settings: Settings) -> None:
    if not settings["run"]:
        raise RequestError("run is not set: name the directory of a run that translates, e.g. "
                           "run=runs/cyclegan_digits/...")
    if not settings["input"]:
        raise RequestError("input is not set: name an image file, a folder, or a pattern, e.g. input=photos")


def has_no_name(chosen: Sources) -> bool:
    """Returns whether the input is the folder `.` or `..`, beside which no folder can be named after it."""
    return not chosen.single and chosen.root.name in ("", "..")


def refuse_channels(network: nn.Module, settings: Settings) -> None:
    """Refuses a generator that reads or makes images of more channels than a picture has."""
    for attribute, verb in (("source_channels", "takes"), ("channels", "makes")):
        count = getattr(network, attribute, None)
        if count not in COLOURS:
            raise RequestError(f"run={settings['run']}: its generator {verb} images of {count} channels, e.g. several "
                               "frames, and an image file has 1 (grey) or 3 (colours)")


class Translations(FileBatch):
    """Files that are translated one after the other.

    network: the generator, which has `channels` and `source_channels`
    image_size: that of the images it was trained on
    settings: those of the command
    """

    verb = "translated"

    def __init__(self, network: nn.Module, image_size: ImageSize, settings: Settings):
        super().__init__(settings)
        self.network = network
        self.resizing = ResizeAndCrop(image_size, "stretch" if settings["size"] == "training" else "none", "none")

    def refuse(self, job: Job, size: tuple[int, int]) -> None:
        """Refuses nothing: the header's limits hold for the result too, which is no larger."""

    def way_to_less_memory(self) -> str:
        ways = (["size=training"] if self.settings["size"] == "own" else []) + (
            ["device=cpu"] if device_of(self.network).type == "cuda" else [])
        return f"type {' or '.join(ways)}" if ways else ""

    def convert(self, job: Job, progress: Progress) -> str:
        image = decode(job.source, self.network.source_channels, headers.limits_of(self.settings))
        resized = self.resizing.scaled(image)
        source = torch.from_numpy(numpy.array(resized)).view(1, resized.height, resized.width, -1).permute(0, 3, 1, 2)
        translated = self.translated(source)
        self.write(job.target, writing.fit_to_format(Picture(translated), job.kind), job.kind)
        resizing = "" if image.size == resized.size else f" (from {image.width} x {image.height})"
        return f"{job.source} -> {job.target}: {resized.width} x {resized.height}{resizing}"

    def translated(self, source: Tensor) -> Tensor:
        """Returns the translation, uint8 [C, H, W], of a source, uint8 [1, K, H, W]."""
        images = translations(self.network, pixels.to_unit_range(source), self.settings["dropout"],
                              self.settings["seed"])
        return pixels.to_bytes(images)[0]
