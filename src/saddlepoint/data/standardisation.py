"""Brings numbers that are no colours to the size of those that are, and back. N rows of C channels and H x W places."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

SPREAD = 0.5  # the standard deviation of what networks see: then images of colours have about the same
DIGITS = 6  # significant, of what is computed: no machine's rounding decides
ROWS_AT_ONCE = 4096


class Standardisation:
    """x = (number - mean) / standard_deviation / 2 for each channel: mean 0, and a standard deviation of 0.5 as EDM has
    it (Karras et al. 2022, table 1, https://arxiv.org/abs/2206.00364).

    So 1 is two standard deviations above the mean.

    means: C numbers
    standard_deviations: C numbers above 0
    """

    def __init__(self, means: Sequence[float], standard_deviations: Sequence[float]):
        self.means, self.standard_deviations = tuple(means), tuple(standard_deviations)
        self._on: dict[torch.device, tuple[Tensor, Tensor]] = {}  # both [C, 1, 1], copied to a device once

    def standardised(self, numbers: Tensor) -> Tensor:
        """numbers [N, C, H, W] of any kind -> float32 [N, C, H, W]"""
        means, deviations = self._columns(numbers)
        return numbers.to(torch.float32).sub(means).mul(SPREAD / deviations)

    def restored(self, values: Tensor) -> Tensor:
        """values [N, C, H, W] -> the numbers that they are standardised from, float32"""
        means, deviations = self._columns(values)
        return values.float().mul(deviations / SPREAD).add(means)

    def as_json(self) -> dict[str, list[float]]:
        return {"mean": [*self.means], "standard_deviation": [*self.standard_deviations]}

    def _columns(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if values.device not in self._on:
            means, deviations = (torch.tensor(each, dtype=torch.float32, device=values.device)[:, None, None]
                                 for each in (self.means, self.standard_deviations))
            self._on[values.device] = means, deviations
        return self._on[values.device]


def standardisation_of(identity: Mapping[str, Any] | None) -> Standardisation | None:
    """Returns the standardisation that the identity of a run's data holds; None if it holds none."""
    stored = (identity or {}).get("standardisation")
    return Standardisation(stored["mean"], stored["standard_deviation"]) if stored else None


def moments(numbers: Tensor) -> tuple[list[float], list[float]]:
    """Returns the mean and the standard deviation of each channel of numbers [N, C, H, W], rounded to 6 digits."""
    count, sums = numbers.numel() // numbers.shape[1], torch.zeros(numbers.shape[1], dtype=torch.float64)
    for rows in numbers.split(ROWS_AT_ONCE):
        sums += rows.double().sum((0, 2, 3))
    means, squares = sums / count, torch.zeros_like(sums)
    for rows in numbers.split(ROWS_AT_ONCE):
        squares += (rows.double() - means[:, None, None]).square().sum((0, 2, 3))
    return _rounded(means), _rounded((squares / count).sqrt())


def _rounded(numbers: Tensor) -> list[float]:
    return [float(numpy.format_float_positional(each, DIGITS, fractional=False)) for each in numbers.tolist()]
