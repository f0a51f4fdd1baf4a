"""The checks of gpu.py about data: sets that stay on the GPU, and files that have to keep up with it."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
from _gpu_cases import Case, Machine, Outcome
from PIL import Image

from saddlepoint import build
from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.batches import ImageBatch
from tests.composing import settings

BATCH = 64


def resident(machine: Machine) -> Iterator[Case]:
    """Checks that batches of a set that is kept on the GPU are those of the host to the bit, and come without a wait.

    A failure means that runs see other images, or that the GPU stands idle before each step.
    """
    yield "", partial(batches_of_both, machine)


def batches_of_both(machine: Machine) -> Outcome:
    count = 20 if machine.is_dry else 400  # of the 79 batches that an epoch has
    measured, batches = {}, {}
    for place, on_device in (("host", False), ("device", True)):
        data = build.data(settings("data=mnist5k", f"data.batch_size={BATCH}", "data.horizontal_flip=true",
                                   f"data.on_device={str(on_device).lower()}"))
        data.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=machine.device), global_rank=0,
                                       world_size=1)
        data.prepare_data()
        data.setup("fit")
        loader = iter(data.train_dataloader())

        def batch(data: ImageDataModule = data, loader: Iterator = loader) -> ImageBatch:
            return data.on_after_batch_transfer(data.transfer_batch_to_device(next(loader), machine.device, 0), 0)

        batches[place] = [batch() for _ in range(count)]
        measured[f"images/s from the {place}"] = round(BATCH / machine.seconds_a_call(batch, count, warm_up=1))
        measured[f"waits from the {place}"] = len(machine.waits_in(batch))
    same = all(torch.equal(one, other) for each in zip(*batches.values(), strict=True)
               for one, other in zip(*each, strict=True))
    return Outcome({"same to the bit": same} | measured, passed=same and not measured["waits from the device"])


def decoding(machine: Machine) -> Iterator[Case]:
    """Measures how many JPEG files of 512x512 pixels a second the workers decode and reduce to 64x64, and how many
    pairs a second they degrade as Real-ESRGAN does.

    Where all cores together give fewer images/s than a step can take (see speed), files and not the GPU set the pace.
    """
    folder = machine.folder / "photographs"
    write_photographs(folder, 32 if machine.is_dry else 1024)
    batch_size, degraded = (8, 64) if machine.is_dry else (BATCH, 256)
    cores = len(os.sched_getaffinity(0))
    for workers in sorted({2} if machine.is_dry else {2, cores}):
        for draft in ("false", "true"):
            typed = ("data=image_folder", f"data.root={folder}", "data.image_size=64", f"data.draft={draft}")
            yield f"data.draft={draft}, {workers} workers", partial(loaded, machine, typed, workers, batch_size)
    for workers in (1,) if machine.is_dry else (0, 4, cores):
        typed = ("data=sr_folder", "degradation=real_esrgan", f"data.root={folder}", f"data.image_size={degraded}")
        yield f"degraded pairs, {workers} workers", partial(loaded, machine, typed, workers, 4)


def write_photographs(folder: Path, count: int) -> None:
    folder.mkdir()
    colours = numpy.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=numpy.uint8)
    pixels = numpy.kron(colours, numpy.ones((8, 8, 1), numpy.uint8))
    for index in range(count):
        Image.fromarray(numpy.roll(pixels, index, 0)).save(folder / f"{index}.jpg", quality=90)


def loaded(machine: Machine, typed: Sequence[str], workers: int, batch_size: int) -> Outcome:
    data = build.data(settings(*typed, f"data.batch_size={batch_size}", f"data.num_workers={workers}"))
    data.prepare_data()
    data.setup("fit")
    batches = iter(data.train_dataloader())
    count = 2 if machine.is_dry else 10 * max(workers, 1)
    seconds = machine.seconds_a_call(lambda: next(batches), calls=count, warm_up=1)
    return Outcome({"images/s": round(batch_size / seconds, 1)})


CHECKS = {"resident": resident, "decoding": decoding}
