"""Images per second of training and of loading from a zip archive and from an array, against a set in memory.

    python benchmarks/archives.py images=50000 rounds=5

The images are the same 50,000 of 32 x 32 pixels in colours, made here in a temporary folder: PNG files in a zip as
StyleGAN's tools write it, NumPy's .npz, and CIFAR-10's files, which data=cifar10 keeps in memory. Training is that of
dcgan_small as train.py does it. Sets of this size are decoded once, before the first step; those that are streamed
have two workers. All are timed in turn, and ratios are medians of rounds.
"""

import io
import json
import statistics
import tempfile
import zipfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy
import torch
from _arguments import read_arguments
from decoding import per_second
from PIL import Image
from training import ours

from saddlepoint import build
from tests.composing import settings

SIDE, BATCH, WORKERS = 32, 64, 2
STEPS, WARM_UP = 150, 20
BATCHES = 300  # of loading alone


def write(folder: Path, count: int) -> None:
    """Writes smooth images, as photographs are: noise of 8 x 8 pixels, enlarged."""
    coarse = numpy.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=numpy.uint8)
    pictures = [Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for each in coarse]
    labels = []
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number, picture in enumerate(pictures):
            picture.save(stream := io.BytesIO(), "png", compress_level=0)
            name = f"{number // 1000:05}/img{number:08}.png"
            archive.writestr(name, stream.getvalue())
            labels.append([name, number % 10])
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    images = numpy.stack([numpy.asarray(each) for each in pictures])
    numpy.savez(folder / "images.npz", images)
    records = numpy.pad(images.transpose(0, 3, 1, 2).reshape(count, -1), ((0, 0), (1, 0)))  # class, pixels
    (batches := folder / "cifar-10-batches-bin").mkdir()
    for number, part in enumerate(numpy.array_split(records, 5), start=1):
        part.tofile(batches / f"data_batch_{number}.bin")


def ways(folder: Path) -> dict[str, list[str]]:
    """Returns what is typed to train on each kind of file; that in memory first."""
    return {
        "memory": ["data=cifar10", f"data.root={folder}"],
        "zip": ["data=zip", f"data.root={folder / 'images.zip'}"],
        "streamed zip": ["data=zip", f"data.root={folder / 'images.zip'}", "data.on_device=false",
                         f"data.num_workers={WORKERS}"],
        "array": ["data=array", f"data.root={folder / 'images.npz'}"],
        "streamed array": ["data=array", f"data.root={folder / 'images.npz'}", "data.on_device=false",
                           f"data.num_workers={WORKERS}"],
    }


def training(typed: Sequence[str]) -> float:
    """Returns images per second of training."""
    more = ["model=dcgan_small", f"data.image_size={SIDE}", f"data.batch_size={BATCH}", "extractor=random"]
    return STEPS * BATCH / ours([*typed, *more], STEPS, WARM_UP)


def loading(typed: Sequence[str]) -> float:
    """Returns images per second of the loader alone, whose workers have been started."""
    data = build.data(settings(*typed, f"data.image_size={SIDE}", f"data.batch_size={BATCH}"))
    data.setup("fit")
    stream = iter(data.train_dataloader())
    next(stream)
    return per_second(BATCHES * BATCH, lambda: [*islice(stream, BATCHES)])


def report(title: str, rows: list[dict[str, float]]) -> None:
    print(title)
    for name in rows[0]:
        speed, ratio = (statistics.median(row[name] / row[other] if other else row[name] for row in rows)
                        for other in ("", "memory"))
        print(f"  {name}: {speed:,.0f} images/s, {ratio:.3f} of memory", flush=True)


def main(typed: Sequence[str] | None = None) -> None:
    count, rounds = read_arguments({"images": 50_000, "rounds": 5}, typed).values()
    print(f"torch {torch.__version__}, Pillow {Image.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as home:
        write(Path(home), count)
        for title, measure in (("Training dcgan_small", training), ("Loading alone", loading)):
            rows = []
            for number in range(rounds):
                named = [each for each in ways(Path(home)).items()
                         if measure is training or each[0] not in ("zip", "array")]  # as from memory
                rows.append({name: measure(arguments) for name, arguments in (named[::-1] if number % 2 else named)})
                print("  " + ", ".join(f"{name} {each:,.0f}" for name, each in rows[-1].items()), flush=True)
            report(f"{title}:", rows)


if __name__ == "__main__":
    main()
