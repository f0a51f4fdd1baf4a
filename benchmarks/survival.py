"""What it costs a run that it can die and go on: the default model with health and checkpoints against the same run
without either.

    python benchmarks/survival.py rounds=5 steps=400

Both are train.py's loop with default callbacks but for scores and pictures, which are not the question. Two figures,
since a machine's clock may be noisier than what is measured: the two in turn; and what the clock says inside one run,
in everything that health and checkpoints do, a checkpoint counted once in callbacks.checkpointing.every_minutes.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial, wraps
from unittest.mock import patch

import torch
from _arguments import read_arguments
from _in_turn import in_turn
from training import ours

from saddlepoint import build
from saddlepoint.game.guard import FiniteGuard
from saddlepoint.training.callbacks.checkpointing import Checkpointing
from saddlepoint.training.callbacks.health import Health
from tests.composing import settings

WATCHED = ["callbacks.sample_quality.metric=[]", "callbacks.image_grid.every_images=null", "logger=none"]
WARM_UP = 20


def without(steps: int) -> float:
    configured = build.callbacks
    build.callbacks = lambda *given: [each for each in configured(*given) if not isinstance(each, Health)]
    try:
        return ours([*WATCHED, "callbacks.checkpointing.every_minutes=null"], steps, WARM_UP)
    finally:
        build.callbacks = configured


class Account:
    """Seconds of each call of a method"""

    def __init__(self) -> None:
        self.calls: list[float] = []

    def of(self, method: Callable) -> Callable:
        @wraps(method)
        def timed(*arguments):
            started = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                self.calls.append(time.perf_counter() - started)
        return timed


def inside(steps: int) -> tuple[float, float]:
    """-> the share of a run's seconds that health took, and the seconds of one checkpoint"""
    health, checkpoints = Account(), Account()
    with (patch.object(FiniteGuard, "check", health.of(FiniteGuard.check)),
          patch.object(Health, "on_train_batch_end", health.of(Health.on_train_batch_end)),
          patch.object(Checkpointing, "write", checkpoints.of(Checkpointing.write))):
        seconds = ours(WATCHED, steps, 0)
    return sum(health.calls) / (seconds - sum(health.calls)), statistics.median(checkpoints.calls)


def main() -> None:
    rounds, steps = read_arguments({"rounds": 5, "steps": 400}).values()
    usual = settings()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, dcgan_small, "
          f"batch {usual['data']['batch_size']}")
    rows = in_turn(rounds, partial(ours, WATCHED, steps, WARM_UP), partial(without, steps), f"{steps} steps")
    print(f"in turn, without a checkpoint inside: {statistics.median(own / bare for own, bare in rows) - 1:.1%}")
    shares, checkpoints = zip(*(inside(steps) for _ in range(rounds)), strict=True)
    share, seconds = statistics.median(shares), statistics.median(checkpoints)
    often = seconds / (60 * usual["callbacks"]["checkpointing"]["every_minutes"])
    print(f"inside a run: health {share:.2%}, a checkpoint of {seconds:.2f} s every "
          f"{usual['callbacks']['checkpointing']['every_minutes']} minutes {often:.2%}, together {share + often:.2%}")


if __name__ == "__main__":
    main()
