"""Draws single random numbers from a generator, on whatever device it is, and checks their settings."""

from collections.abc import Sequence
from typing import Annotated

import torch

from saddlepoint.checks import require
from saddlepoint.config.rules import list_of, number

Range = tuple[float, float]
NonNegativeRange = Annotated[tuple[float, float], list_of(number(0), length=2)]
PositiveRange = Annotated[tuple[float, float], list_of(number(0, above=True), length=2)]


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """Draws from U[low, high)."""
    return low + (high - low) * torch.rand((), dtype=torch.float64, device=generator.device, generator=generator).item()


def happens(generator: torch.Generator, probability: float) -> bool:
    """Returns True with this probability."""
    return uniform(generator) < probability


def choice(generator: torch.Generator, probabilities: Sequence[float]) -> int:
    """Draws an index in proportion to the probabilities, whose sum need not be 1."""
    remaining = uniform(generator) * sum(probabilities)
    for index, probability in enumerate(probabilities):
        remaining -= probability
        if remaining < 0:
            return index
    return max(index for index, probability in enumerate(probabilities) if probability > 0)  # rounding of the sum


def require_probability(name: str, value: float) -> None:
    require(0 <= value <= 1, name, value, "a probability, from 0 to 1")


def require_probabilities(name: str, values: Sequence[float], count: int) -> None:
    require(len(values) == count and min(values) >= 0 and sum(values) > 0, name, list(values),
            f"{count} numbers that are not negative, of which at least one is above 0")


def require_range(name: str, values: Range, least: float, most: float = float("inf")) -> None:
    require(len(values) == 2 and least <= values[0] <= values[1] <= most, name, list(values),
            f"a range [low, high] within {least:g} and {most:g}")
