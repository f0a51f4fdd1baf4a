"""What it costs a run that it can die and go on: the default model with health and checkpoints, far more of these than
by default, against the same run without, in turn.

    python benchmarks/survival.py rounds=5 steps=400

Both are train.py's loop with default callbacks but for scores, which are not the question. With: health as by default,
and two checkpoints in `steps` steps (by default there is one every five minutes). Without: neither.
"""

import statistics
import sys
from functools import partial

import torch
from _in_turn import in_turn
from training import ours

from saddlepoint import build
from saddlepoint.callbacks.health import Health
from tests.composing import settings

WATCHED = ["callbacks.sample_quality.metric=[]", "callbacks.image_grid.every_images=null", "logger=none"]


def without(overrides: list[str], steps: int) -> float:
    configured = build.callbacks
    build.callbacks = lambda *given: [each for each in configured(*given) if not isinstance(each, Health)]
    try:
        return ours([*overrides, "callbacks.checkpointing.every_minutes=null"], steps, WARM_UP)
    finally:
        build.callbacks = configured


WARM_UP = 20


def main() -> None:
    arguments = dict(argument.split("=", 1) for argument in sys.argv[1:])
    rounds, steps = int(arguments.get("rounds", 5)), int(arguments.get("steps", 400))
    batch_size = settings()["data"]["batch_size"]
    often = f"callbacks.checkpointing.every_images={batch_size * steps // 3}"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    rows = in_turn(rounds, partial(ours, [*WATCHED, often], steps, WARM_UP), partial(without, WATCHED, steps),
                   f"{steps} steps")
    cost = statistics.median(own / bare for own, bare in rows) - 1
    print(f"dcgan_small, batch {batch_size}: health and two checkpoints in {steps} steps cost {cost:.1%}")


if __name__ == "__main__":
    main()
