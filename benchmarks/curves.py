"""What averaged curves cost: images per second of small steps with callbacks.scalars.average=true and false, in turn.

    python benchmarks/curves.py rounds=5

Both write the same 200 rows; with average=true every step hands its terms and logits over, and rows are means of all.
"""

import statistics
from functools import partial

import torch
from _arguments import read_arguments
from _in_turn import in_turn
from training import A1, ours

CASES = {  # overrides, steps, steps before them
    "MLP (A1), batch 16": ([*A1, "data.batch_size=16"], 2000, 100),
    "MLP (A1), batch 100": ([*A1], 500, 50),
}
ONLY_CURVES = ["callbacks=none", "threads=1"]


def main() -> None:
    rounds = read_arguments({"rounds": 5})["rounds"]
    print(f"torch {torch.__version__}")
    for name, (overrides, steps, before) in CASES.items():
        timed = [partial(ours, [*overrides, *ONLY_CURVES, f"callbacks.scalars.average={average}"], steps, before)
                 for average in ("true", "false")]
        rows = in_turn(rounds, *timed, f"{steps} steps, averaged and not")
        share = statistics.median(averaged / newest for averaged, newest in rows) - 1
        print(f"{name}: {1000 * statistics.median(row[0] for row in rows) / steps:.2f} ms a step; averaging takes "
              f"{share:.1%} of it")


if __name__ == "__main__":
    main()
