"""Confidence intervals by the bootstrap: images are resampled with replacement (Efron and Tibshirani 1993, An
Introduction to the Bootstrap, chapter 13). N images, B resamples."""

from collections.abc import Iterator

import torch
from torch import Tensor

QUANTILES = (0.025, 0.975)  # 95 %
ONE_IMAGE = "a single image says nothing about how far another choice of images would move it"


def resampling_weights(count: int, seed: int, resamples: int) -> Iterator[Tensor]:
    """Yields one tensor for each resample: how often each image was drawn, [count] int64, which sums to `count`."""
    draws = torch.Generator().manual_seed(seed)
    for _ in range(resamples):
        yield torch.randint(count, (count,), generator=draws).bincount(minlength=count)


def interval_of_mean(values: Tensor, seed: int, resamples: int) -> tuple[float, float] | None:
    """Returns the 95 % interval of the mean of values [N], by percentiles of the resampled means; None for a single
    value (see ONE_IMAGE). Memory is O(N + B), as one resample is drawn at a time."""
    if len(values) < 2:
        return None
    exact = values.detach().cpu().double()
    means = [weights.double().dot(exact) / len(exact) for weights in resampling_weights(len(exact), seed, resamples)]
    return _percentiles(torch.stack(means))


def centred_interval(value: float, resampled: Tensor) -> tuple[float, float]:
    """Returns value + quantiles(resampled - mean(resampled)), resampled [B] float64.

    This is for metrics whose bias depends on the number of distinct images: a resample holds only about 63 % of them,
    so all of `resampled` may lie above `value`. Only its spread is used.
    """
    low, high = _percentiles(resampled - resampled.mean())
    return value + low, value + high


def _percentiles(resampled: Tensor) -> tuple[float, float]:
    low, high = resampled.quantile(resampled.new_tensor(QUANTILES)).tolist()
    return low, high
