"""Samples given by their features, and what a metric is told beforehand."""

import torch
from torch import Tensor

from saddlepoint.metrics.metric import Sample, Setup


def normal(count: int, num_features: int, seed: int) -> Tensor:
    return torch.randn(count, num_features, generator=torch.Generator().manual_seed(seed))


def points(*coordinates: tuple[float, ...]) -> Tensor:
    return torch.tensor(coordinates, dtype=torch.float32)


def sample(features: Tensor | None = None, **more) -> Sample:
    """Without moments: none of these metrics looks at them."""
    return Sample(moments=None, features=features, **more)


def setup(**more) -> Setup:
    known = {"extractor": "digits", "num_features": 4, "num_classes": 10, "num_real": 1000, "num_fake": 1000}
    return Setup(**known | more)
