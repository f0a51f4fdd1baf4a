"""Seconds to gather 500 runs and to write the page of 100, and the page's size.

    python benchmarks/page.py gathered=500 shown=100 seeds=1 keep=FOLDER

The runs are made here and were never trained: the default run's settings, 200 points of 12 curves, 20 measurements of
two scores, 12 grids of noise. seeds=1 is the most for a page to draw: a line and two small charts for every run.
keep=FOLDER leaves runs and page there, to be looked at: how long the page takes to open is for a browser to say.
"""

import csv
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy
import yaml
from _arguments import read_arguments
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the tests' settings and runs
from saddlepoint.comparison.report.writing import write_page  # noqa: E402
from saddlepoint.runs.gathering import gather  # noqa: E402
from tests.composing import settings  # noqa: E402
from tests.runs.made_runs import ENVIRONMENT, score  # noqa: E402

IMAGES, POINTS, MEASURED, PICTURES = 240_000, 200, 20, 12
SCORES = {"fid_digits": 300.0, "is_digits": 1.0}  # where they begin
CURVES = ("discriminator/adversarial", "discriminator/total", "generator/adversarial", "generator/total", "logits/real",
          "logits/fake", "logits/accuracy", "schedule/generator.lr", "schedule/discriminator.lr",
          "throughput/images_per_second")
WRITER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MOST_SECONDS, MOST_BYTES = 10, 20_000_000


def make_runs(folder: Path, count: int, seeds: int) -> None:
    """Writes run directories as train.py leaves them, without weights."""
    draws, made = numpy.random.default_rng(0), settings()
    grid = folder / "grid.png"
    folder.mkdir(parents=True)
    Image.fromarray(draws.integers(0, 256, (240, 240), numpy.uint8)).save(grid)
    for number in range(count):
        recipe, seed = divmod(number, seeds)
        run = folder / "runs" / str(number)
        (run / "samples").mkdir(parents=True)
        made["seed"] = made["data"]["seed"] = seed
        made["optimizer"]["generator"]["lr"] = 1e-5 * (recipe + 1)
        (run / "config.yaml").write_text(yaml.dump(made, Dumper=WRITER, sort_keys=False))
        write_curves(run / "metrics.csv", draws)
        ends = [score(name, start * draws.uniform(0.99, 1.01), IMAGES) for name, start in SCORES.items()]
        write_json(run / "metrics.json", {"metrics": ends, "best": ends[0], "cost": {
            "seconds": 100.0, "images_per_second": 2400.0, "parameters": {"generator": 1000, "discriminator": 500}}})
        write_json(run / "status.json", {"state": "completed", "reason": "", "images_seen": IMAGES})
        write_json(run / "environment.json", ENVIRONMENT | {"seed": seed})
        for picture in range(PICTURES):
            (run / "samples" / f"images_{picture * IMAGES // (PICTURES - 1):010d}.png").hardlink_to(grid)


def write_curves(path: Path, draws: numpy.random.Generator) -> None:
    walks = numpy.cumsum(draws.normal(0, 0.1, (POINTS, len(CURVES))), axis=0)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["images_seen", *CURVES, *(f"quality/{name}" for name in SCORES)])
        writer.writeheader()
        for point, values in enumerate(walks, start=1):
            images = {"images_seen": point * IMAGES // POINTS}
            writer.writerow(images | dict(zip(CURVES, values, strict=True)))
            if point % (POINTS // MEASURED) == 0:
                writer.writerow(images | {f"quality/{name}": start * (1 + draws.uniform() / point)
                                          for name, start in SCORES.items()})


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))


def main() -> None:
    asked = read_arguments({"gathered": 500, "shown": 100, "seeds": 1, "keep": ""})
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(asked["keep"] or temporary)
        make_runs(place / "gathered", asked["gathered"], asked["seeds"])
        make_runs(place / "shown", asked["shown"], asked["seeds"])
        started = time.perf_counter()
        found = len(gather([place / "gathered" / "runs"]).runs)
        gathering = time.perf_counter() - started
        print(f"{found} runs gathered in {gathering:.1f} s (at most {MOST_SECONDS})")
        started = time.perf_counter()
        size = write_page(place / "shown" / "runs").stat().st_size
        writing = time.perf_counter() - started
        print(f"the page of {asked['shown']} runs written in {writing:.1f} s: {size / 1e6:.1f} MB (at most "
              f"{MOST_BYTES / 1e6:.0f})")
    sys.exit(gathering > MOST_SECONDS or size > MOST_BYTES)


if __name__ == "__main__":
    main()
