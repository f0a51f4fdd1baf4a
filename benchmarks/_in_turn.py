"""Two things timed in turn, on machines whose clock is noisy."""

from collections.abc import Callable


def in_turn(rounds: int, first: Callable[[], float], second: Callable[[], float],
            unit: str) -> list[tuple[float, float]]:
    """-> (seconds of `first`, seconds of `second`) of each round. Who begins changes: whoever comes second finds memory
    that is mapped already."""
    rows = []
    for index in range(rounds):
        if index % 2:
            rows.append((first(), second()))
        else:
            then = second()
            rows.append((first(), then))
        print(f"  seconds for {unit}:", " ".join(f"{each:.2f}" for each in rows[-1]), flush=True)
    return rows
