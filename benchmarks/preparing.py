"""Images per second of saddlepoint-prepare, beside what Pillow alone does on the same cores.

    python benchmarks/preparing.py files=1000 small=10000 rounds=5

Pillow alone: the same number of processes, each of which opens, converts, resizes and crops files and encodes them as
PNG without compression, and zipfile, which stores them. From JPEG files of 512 x 512 pixels to 64 x 64, and from PNG
files of 32 x 32 as they are. The files are made here, of scikit-image's photographs, in a temporary folder.
"""

import contextlib
import io
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from _arguments import read_arguments
from _in_turn import in_turn
from decoding import write_files
from PIL import Image

from saddlepoint.data.workers import usable_cores
from saddlepoint.preparing.archiving import prepare

SETTINGS = {"resize": "short_side", "crop": "center", "filter": "bicubic", "labels": "none", "channels": 3,
            "format": "png", "quality": None, "max_pixels": 50_000_000, "white": None, "image_extensions": None,
            "overwrite": True}


def by_pillow(path: Path, size: int) -> bytes:
    """The shortest program that makes such a file."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    if min(width, height) != size:
        scale = size / min(width, height)
        image = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
        left, top = (image.width - size) // 2, (image.height - size) // 2
        image = image.crop((left, top, left + size, top + size))
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=0)
    return content.getvalue()


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def pillow_alone(root: Path, target: Path, size: int, cores: int) -> None:
    paths = sorted(root.iterdir())
    with ProcessPoolExecutor(cores) as pool, zipfile.ZipFile(target, "w") as archive:
        for number, content in enumerate(pool.map(by_pillow, paths, [size] * len(paths), chunksize=32)):
            archive.writestr(f"00000/img{number:08}.png", content)


def ours(root: Path, target: Path, size: int, cores: int) -> None:
    with contextlib.redirect_stdout(None):
        prepare({**SETTINGS, "input": str(root), "output": str(target), "image_size": size, "num_workers": cores})


def compare(title: str, root: Path, size: int, rounds: int, cores: int) -> None:
    """Prints the medians of both, taken in turn, and their ratio."""
    count, target = len([*root.iterdir()]), root.with_suffix(".zip")
    print(title, flush=True)
    rows = in_turn(rounds + 1, lambda: seconds(lambda: ours(root, target, size, cores)),
                   lambda: seconds(lambda: pillow_alone(root, target, size, cores)),
                   f"saddlepoint-prepare, Pillow alone, {count:,} files")[1:]  # the first warms up
    own, alone = (count / statistics.median(row[place] for row in rows) for place in (0, 1))
    ratio = statistics.median(row[1] / row[0] for row in rows)
    print(f"  saddlepoint-prepare {own:,.0f} images/s, Pillow alone {alone:,.0f}: {ratio:.2f} times its speed",
          flush=True)


def main(typed: Sequence[str] | None = None) -> None:
    files, small, rounds = read_arguments({"files": 1000, "small": 10000, "rounds": 5}, typed).values()
    cores = usable_cores()
    print(f"Pillow {Image.__version__}; {cores} cores")
    with tempfile.TemporaryDirectory() as home:
        large, little = Path(home, "large"), Path(home, "little")
        large.mkdir()
        little.mkdir()
        write_files(large, files)
        compare("JPEG 512 x 512 to 64 x 64:", large, 64, rounds, cores)
        pictures = [Image.open(path).resize((32, 32)) for path in sorted(large.iterdir())[:50]]
        for number in range(small):
            pictures[number % len(pictures)].save(little / f"{number:05}.png")
        compare("PNG 32 x 32 as they are:", little, 32, rounds, cores)


if __name__ == "__main__":
    main()
