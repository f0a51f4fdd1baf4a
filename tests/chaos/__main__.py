"""make chaos: a run's checkpoints and its going on, and what people and disks may hand in, tried at length. Every trial
follows from the seed, except for what the machine's clock decides."""

import argparse
import math
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos import endings, fuzzing, runs, saves, spoiling
from tests.chaos.report import Report
from tests.chaos.runs import Case

COUNTS = {"kills": (50, "SIGKILLs of runs, all in all"), "signals": (9, "runs stopped by a signal"),
          "full": (6, "runs whose disk is full"), "saves": (200, "processes killed while they save"),
          "ends": (20, "runs of two processes beside two busy ones"),
          "values": (600, "odd values of settings"), "names": (1000, "odd file names"),
          "files": (3000, "image files with changed bytes"), "pairs": (600, "folders of pairs under odd names"),
          "folders": (150, "folders of images under odd names"), "classes": (150, "classes with odd names"),
          "flips": (256, "changed bytes"), "truncations": (64, "lengths that a checkpoint is cut to")}
SEEDS = 2  # of training, for each family
KILLS_EACH = 5  # of one family and seed, before there is another
WITH_RUNS = ("kills", "signals", "full")


def main() -> int:
    arguments = read_arguments()
    chance = random.Random(arguments.seed)
    place = Path(tempfile.mkdtemp(prefix="chaos-", dir=arguments.place))
    report = Report()
    print(f"chaos with --seed {arguments.seed} in {place}", flush=True)
    counts = {part: getattr(arguments, part) if part in arguments.only else 0 for part in COUNTS}
    spoil_files(counts, place, chance, report)
    endings.ends(counts["ends"], place, chance, report)
    fuzzing.odd_input(counts, chance, report)
    if any(counts[part] for part in WITH_RUNS):
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda each: torment(*each, report), shares(counts, place, chance)))
    print(f"\nseed {arguments.seed}\n{report.summary()}")
    if report.problems:
        print(f"FAILED; everything is still in {place}")
        return 1
    shutil.rmtree(place)
    return 0


def spoil_files(counts: dict[str, int], place: Path, chance: random.Random, report: Report) -> None:
    if counts["saves"]:
        saves.saves(counts["saves"], place, chance, report)
    if counts["flips"] or counts["truncations"]:
        case = Case(runs.LONG[0], 1, place / "spoilt")
        report.trial("whole runs", case.name, case.train_whole())
        pair = spoiling.Pair(case.whole, place / "spoilt" / "checkpoints")
        spoiling.flips(counts["flips"], pair, chance, report)
        if counts["truncations"]:
            spoiling.truncations(counts["truncations"], pair, chance, report)


def shares(counts: dict[str, int], place: Path, chance: random.Random) -> Iterator[tuple]:
    """Everything that happens to runs, dealt out to all families and seeds: (case, counts, its own chance)"""
    cases = [(family, seed) for seed in range(1, SEEDS + 1) for family in runs.LONG]
    most = max(KILLS_EACH, math.ceil(counts["kills"] / len(cases)))
    for index, (family, seed) in enumerate(cases):
        share = {part: len(range(index, counts[part], len(cases))) for part in ("signals", "full")}
        share["kills"] = min(most, max(0, counts["kills"] - most * index))
        if any(share.values()):
            number = index + seed  # with SEEDS times all families, each meets several signals
            yield Case(family, seed, place / f"case-{index}"), share, number, random.Random(chance.random())


def torment(case: Case, share: dict[str, int], number: int, chance: random.Random, report: Report) -> None:
    problems = case.train_whole()
    report.trial("whole runs", f"{case.name}, {case.start:.1f} s to start and {case.training:.1f} s to train", problems)
    if problems:
        return
    runs.kills(case, share["kills"], chance, report)
    for each in range(share["signals"]):
        runs.signals(case, list(runs.EXIT_CODES)[(number + each) % len(runs.EXIT_CODES)], chance, report)
    for _ in range(share["full"]):
        runs.full_disks(case, chance, report)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all choices; random by default")
    for part, (count, meaning) in COUNTS.items():
        parser.add_argument(f"--{part}", type=int, default=count, help=f"{meaning} ({count})")
    parser.add_argument("--only", nargs="+", choices=COUNTS, default=list(COUNTS), help="these parts, not all")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (2)")
    parser.add_argument("--place", type=Path, help="where the runs are made (a temporary directory)")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    sys.exit(main())
