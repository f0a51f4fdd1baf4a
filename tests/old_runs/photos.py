"""Paints the photographs that the runs beside it were trained on. Binary PPM files, whose bytes depend on no library.

`python photos.py FOLDER` writes FOLDER/photos, six photographs of 24 x 24 pixels, and FOLDER/animals, seventy of 8 x 8
in each of two classes.
"""

import sys
from pathlib import Path

import numpy


def paint(folder: Path) -> None:
    numbers = numpy.random.default_rng(0)
    for path, size in [*((folder / "photos" / f"{number}.ppm", 24) for number in range(6)),
                       *((folder / "animals" / name / f"{number}.ppm", 8) for name in ("cat", "dog")
                         for number in range(70))]:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = numbers.integers(0, 256, (size, size, 3), dtype=numpy.uint8)
        path.write_bytes(b"P6 %d %d 255\n" % (size, size) + pixels.tobytes())


if __name__ == "__main__":
    paint(Path(sys.argv[1]))
