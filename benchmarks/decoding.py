"""Images per second from JPEG files of 512 x 512 pixels to 64 x 64, and pairs per second of Real-ESRGAN's degradation.

    python benchmarks/decoding.py files=96 pairs=24 rounds=5

First on one core, in turn: whole files (data.draft=false), smaller ones (data.draft=true), from the cache
(data.cache=FOLDER) and from memory (data.on_device=true), with how far the pixels of data.draft=true are from the
others. Then through the loader, with as many workers as there are cores and with one. The files are made here, of
scikit-image's photographs, in a temporary folder.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy
import torch
from _arguments import read_arguments
from PIL import Image

from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.folders import ImageFolder
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.pairs import PairFolder, embedded
from saddlepoint.data.workers import usable_cores

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
BATCH = 32
PAIRS = 4  # a batch
Way = Callable[[], float]  # does something once and returns how many a second it did


def write_files(folder: Path, count: int) -> None:
    """Writes crops of photographs as JPEG files of quality 90."""
    draws, pictures = numpy.random.default_rng(0), [Image.open(file.path).convert("RGB") for file in embedded(NAMES)]
    for number in range(count):
        picture = pictures[number % len(pictures)]
        side = int(min(picture.size) * draws.uniform(0.6, 1))
        left, top = (int(draws.uniform(0, whole - side)) for whole in picture.size)
        crop = picture.crop((left, top, left + side, top + side)).resize((512, 512), Image.Resampling.BICUBIC)
        crop.save(folder / f"{number:04}.jpg", quality=90)


def set_up(data: ImageDataModule) -> ImageDataModule:
    data.setup("fit")
    return data


def folder(root: Path, **changes: object) -> ImageFolder:
    return set_up(ImageFolder(name="files", root=str(root), channels=3, image_size=64, batch_size=BATCH, **changes))


def degraded(num_workers: int) -> PairFolder:
    """Real-ESRGAN's pairs of scikit-image's photographs: crops of 400 pixels, 256 of them are used."""
    return set_up(PairFolder(
        name="sr_folder", root=None, channels=3, image_size=256, scale=4, batch_size=PAIRS, low_root=None,
        rotate=False, validation_root=None, memory_megabytes=500, degradation=SecondOrderDegradation(4),
        degradation_crop=400, sharpen_target=True, num_workers=num_workers))


def per_second(count: int, act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return count / (time.perf_counter() - started)


def gathering(data: ImageFolder, count: int) -> Way:
    """Batches of the data set itself, in this process."""
    dataset = data.training_dataset()
    positions = [range(first, first + BATCH) for first in range(0, count, BATCH)]
    return lambda: per_second(count, lambda: [dataset.__getitems__(each) for each in positions])


def loading(data: ImageDataModule, batches: int, batch_size: int) -> Way:
    """Batches of the loader, whose workers have been started and have brought one."""
    def once() -> float:
        stream = iter(data.train_dataloader())
        next(stream)
        return per_second(batches * batch_size, lambda: [*islice(stream, batches)])
    return once


def report(title: str, ways: dict[str, Way], rounds: int, unit: str) -> None:
    """Prints the medians of all ways, taken in turn, and their ratios to the first."""
    print(title, flush=True)
    rows = [{name: way() for name, way in (ways.items() if number % 2 else reversed(ways.items()))}
            for number in range(rounds + 1)][1:]  # the first warms up
    first = next(iter(ways))
    for name in ways:
        ratio = statistics.median(row[name] / row[first] for row in rows)
        print(f"  {name}: {statistics.median(row[name] for row in rows):,.1f} {unit}/s, {ratio:.2f} times", flush=True)


def differences(exact: ImageFolder, draft: ImageFolder) -> None:
    """Prints how far smaller decoding is from the whole, in levels of 255."""
    pixels = [torch.stack([torch.from_numpy(data.training_loader().pixels(path).copy()).int() for path in data.files()])
              for data in (exact, draft)]
    levels = (pixels[0] - pixels[1]).abs()
    print(f"  data.draft=true: {levels.float().mean():.2f} levels of 255 from whole files on average, at most "
          f"{levels.max()}; 1 of 1,000 pixels differs by {levels.flatten().sort().values[-levels.numel() // 1000]} or "
          "more", flush=True)


def main(typed: Sequence[str] | None = None) -> None:
    files, pairs, rounds = read_arguments({"files": 96, "pairs": 24, "rounds": 5}, typed).values()
    cores = usable_cores()
    print(f"torch {torch.__version__}, Pillow {Image.__version__}; {cores} cores")
    before = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as home:
        (root := Path(home, "files")).mkdir()
        write_files(root, files)
        exact, draft = folder(root), folder(root, draft=True)
        count = max(files // BATCH, 1) * BATCH
        torch.set_num_threads(1)
        report("One core, JPEG 512 x 512 to 64 x 64:", {
            "whole files": gathering(exact, count), "data.draft=true": gathering(draft, count),
            "data.cache": gathering(folder(root, cache=str(Path(home, "cache"))), count),
            "data.on_device=true": gathering(folder(root, on_device=True), count),
        }, rounds, "images")
        differences(exact, draft)
        batches = 2 * max(files // BATCH, 1)
        report(f"Through the loader, {cores} workers:", {
            "whole files, one worker": loading(folder(root, num_workers=1), batches, BATCH),
            "whole files": loading(folder(root, num_workers=cores), batches, BATCH),
            "data.draft=true": loading(folder(root, num_workers=cores, draft=True), batches, BATCH),
        }, rounds, "images")
    torch.set_num_threads(before)
    batches = max(pairs // PAIRS, 1)
    report(f"Real-ESRGAN's degradation, {before} threads in the process that trains:", {
        "that process": loading(degraded(0), batches, PAIRS), "1 worker": loading(degraded(1), batches, PAIRS),
        f"{cores} workers": loading(degraded(cores), batches, PAIRS),
    }, rounds, "pairs")


if __name__ == "__main__":
    main()
