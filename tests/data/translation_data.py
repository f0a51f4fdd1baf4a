"""Makes small data sets for translation, and reads their batches, for the tests."""

from itertools import islice
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.batches import TranslationBatch

OF_FILES = {"channels": 3, "image_size": 16, "batch_size": 4, "seed": 5, "resize": "none"}


def made(kind: type, **settings) -> ImageDataModule:
    data = kind(name=kind.__name__, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def of_files(kind: type, root: Path, **changes) -> ImageDataModule:
    """Makes a set of files, which are cropped and, unless `changes` say so, neither resized nor mirrored."""
    paths = {name: str(value) for name, value in changes.items() if isinstance(value, Path)}
    return made(kind, root=str(root), **OF_FILES | changes | paths)


def batches(data: ImageDataModule, count: int, start: int = 0) -> list[TranslationBatch]:
    data.start_at(start)
    return [data.on_after_batch_transfer(batch, 0) for batch in islice(data.train_dataloader(), count)]


def stream(data: ImageDataModule, count: int, start: int = 0) -> tuple[Tensor, Tensor]:
    """Returns the sources and the targets of `count` batches, uint8."""
    of_batches = batches(data, count, start)
    return tuple(((torch.cat(images) + 1) * 127.5).round().byte() for images in (
        [batch.source for batch in of_batches], [batch.real for batch in of_batches]))


def at_positions(data: ImageDataModule, positions: range) -> TranslationBatch:
    """Returns the batch of these positions of the stream, as a process with this share of a step gets it."""
    return data.on_after_batch_transfer(data.training_dataset().__getitems__(positions), 0)


def write_negatives(targets: Path, sources: Path, names: tuple[str, ...] = ("a", "b", "c"), width: int = 40,
                    height: int = 28) -> None:
    """Writes pictures of noise into one folder, and their negatives under the same names into the other."""
    for folder in (targets, sources):
        folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        pixels = noise(width, height, sum(name.encode()) + 1000 * seed)
        Image.fromarray(pixels).save(targets / f"{name}.png")
        Image.fromarray(255 - pixels).save(sources / f"{name}.png")


def noise(width: int, height: int, seed: int) -> numpy.ndarray:
    return numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8)


def write_levels(folder: Path, levels: dict[str, int] | range, size: int = 16, mode: str = "RGB") -> None:
    """Writes a picture of one grey level for each name, or for each level under its number."""
    folder.mkdir(parents=True, exist_ok=True)
    named = levels if isinstance(levels, dict) else {f"{level:03}": level for level in levels}
    for name, level in named.items():
        colour = level if mode == "L" else (level, level, (level + 1) % 256)
        Image.new(mode, (size, size), colour).save(folder / f"{name}.png")


def levels(images: Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()
