"""Shares out the machine's cores and GPUs among the jobs that run at once. Imports no torch."""

import math
import os
import subprocess
from collections.abc import Mapping
from itertools import takewhile

from saddlepoint.environment import JOBS_ON_GPU

NONE = ("", "-1", "NoDevFiles")  # the last is what SLURM sets for a job without GPUs
CORES_EACH = 4  # small networks gain little from more threads, and each job takes memory of its own


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; [] if there are none."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return [*takewhile(lambda name: name not in NONE, names)]  # as CUDA, which reads no further
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, _ in enumerate(line for line in listing.splitlines() if line.startswith("GPU "))]


def shares(gpus: list[str], gpus_each: int | None) -> list[str]:
    """Returns the GPUs in shares of `gpus_each` (None: all), as CUDA_VISIBLE_DEVICES names them: `0,1` and `2,3`."""
    each = min(gpus_each or len(gpus), len(gpus))
    return [",".join(gpus[first:first + each]) for first in range(0, len(gpus) - each + 1, each)] if each else []


def places(jobs_at_once: int | None, shares: list[str], jobs_per_share: int, cores: int) -> list[dict[str, str]]:
    """Returns a place for each job that may run at once: the variables to add to its environment.

    jobs_at_once: None for as many as the shares of GPUs take, without GPUs one for every CORES_EACH cores
    shares: the GPUs of a job, as CUDA_VISIBLE_DEVICES names them; [] if jobs use none
    jobs_per_share: how many jobs may share them. Each is told how many there are at most, and takes no more of the
        memory than one of so many, wherever it runs: whether it has enough must not depend on its place.
    """
    count = jobs_at_once or len(shares) * jobs_per_share or max(1, cores // CORES_EACH)
    if not shares:
        return [{} for _ in range(count)]
    together = math.ceil(count / len(shares))
    told = {JOBS_ON_GPU: str(together)} if together > 1 else {}
    return [{"CUDA_VISIBLE_DEVICES": shares[number % len(shares)], **told} for number in range(count)]


def threads(places: int, processes_each: int, cores: int) -> int | None:
    """Returns how many threads each process of each job gets; None if one job runs at a time with one process, which
    may choose for itself as outside of a sweep."""
    return None if places == processes_each == 1 else max(1, cores // (places * processes_each))
