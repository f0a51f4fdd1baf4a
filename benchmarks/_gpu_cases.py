"""What the checks of gpu.py are made of: the machine they run on, and what a case of a check has to report."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch


class Skipped(Exception):
    """Says why a case cannot run here."""


@dataclass(frozen=True)
class Outcome:
    """Holds what a case measured; `passed` is its verdict, None where there are only numbers to read."""

    measured: dict[str, Any]
    passed: bool | None = None


Case = tuple[str, Callable[[], Outcome]]  # its name, and the function that runs it


@dataclass(frozen=True)
class Machine:
    """Says where the checks run. On the CPU they are a dry run: small cases that find mistakes in the checks."""

    device: torch.device
    folder: Path  # for runs and images that nobody needs afterwards
    deadline: float = field(default_factory=lambda: time.monotonic() + 3600)  # on time.monotonic()'s clock

    @property
    def is_dry(self) -> bool:
        return self.device.type == "cpu"

    @property
    def trainer(self) -> str:
        return "trainer=cpu" if self.is_dry else "trainer=gpu"

    @property
    def quiet(self) -> tuple[str, ...]:
        """The settings of a run that trains here and does nothing else."""
        return ("callbacks=none", "logger=none", self.trainer)

    @property
    def narrow(self) -> tuple[str, ...]:
        """The widths of both networks in a dry run; on a GPU they have those of their families."""
        return ("model.generator.width=4", "model.discriminator.width=4") if self.is_dry else ()

    def require_gpu(self) -> None:
        if self.is_dry:
            raise Skipped("needs a GPU")

    def synchronise(self) -> None:
        """Waits until the GPU has done everything it was asked to do."""
        if not self.is_dry:
            torch.cuda.synchronize()

    def waits_in(self, function: Callable[[], object]) -> list[str]:
        """Returns the lines in which a call makes the host wait for the GPU; in a dry run none."""
        if self.is_dry:
            return []
        self.synchronise()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                function()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return [f"{each.filename}:{each.lineno}" for each in caught if "synchroniz" in str(each.message)]

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    def seconds_a_call(self, function: Callable[[], object], calls: int, warm_up: int) -> float:
        """Times `calls` calls, after `warm_up` calls that are not timed."""
        for _ in range(warm_up):
            function()
        self.synchronise()
        started = time.perf_counter()
        for _ in range(calls):
            function()
        self.synchronise()
        return (time.perf_counter() - started) / calls


@contextmanager
def numerics(tf32: bool = True, benchmark: bool = False, deterministic: bool = False) -> Iterator[None]:
    """Sets torch's switches for a while: TF32, cuDNN's search for the quickest algorithm, deterministic kernels."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    set_determinism = partial(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled(),
                              warn_only=torch.is_deterministic_algorithms_warn_only_enabled())
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = tf32, tf32, benchmark
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before
        set_determinism()
