"""What a sweep adds to its jobs: eight short ones, two at a time, against their training times and one start-up each.

    python benchmarks/sweeps.py jobs=8 at_once=2 images=10000

A start-up is what a job alone takes beside its training (Python, torch, data, first pictures, last files), the median
of three; with two at once, two of them begin at the same time. Everything in one run, one thread to each job.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _arguments import read_arguments

ROOT = Path(__file__).parent.parent
SHORT = ("model=mlp", "trainer=cpu", "threads=1", "callbacks.sample_quality.every_images=null",
         "callbacks.sample_quality.num_fake=256")
ALLOWED = 1.15


def seconds(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / "train.py"), *SHORT, *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def training_seconds(run: Path) -> float:
    return json.loads((run / "metrics.json").read_text())["cost"]["seconds"]


def main() -> None:
    jobs, at_once, images = read_arguments({"jobs": 8, "at_once": 2, "images": 10000}).values()
    budget = f"budget.images={images}"
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        alone = [seconds(budget, f"run.dir={place}/{number}") - training_seconds(place / str(number))
                 for number in range(3)]
        whole = seconds(budget, f"seed={','.join(map(str, range(jobs)))}", "-m", f"hydra.sweep.dir={place}/sweep",
                        f"hydra.launcher.jobs_at_once={at_once}")
        training = sum(training_seconds(run.parent) for run in (place / "sweep").glob("*/metrics.json"))
    start_up = statistics.median(alone)
    most = ALLOWED * training / at_once + jobs * start_up / at_once
    print(f"{jobs} jobs, {at_once} at once: {whole:.1f} s; {training:.1f} s of training in all, a start-up "
          f"{start_up:.1f} s")
    print(f"{ALLOWED} x {training:.1f} / {at_once} + {jobs} x {start_up:.1f} / {at_once} = {most:.1f} s: "
          f"{whole / most:.2f} of it")


if __name__ == "__main__":
    main()
