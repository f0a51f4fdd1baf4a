"""Metrics of the nearest neighbours of fakes: does the generator repeat itself, or the training images?

N real images, M fakes, D features. Beside the features and one tile of distances, memory is O(N + M).
"""

import math
from typing import Annotated

import torch
from torch import Tensor

from saddlepoint.config.rules import number
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.distances import nearest, radii
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup, on_one_device

FEWEST_FOR_A_MEDIAN = 6  # 1 - 2^(1 - N) of N values lie on both sides of their median: above 95 % from 6 on


class Duplicates(Metric):
    """The share of fakes, from 0 to 1, that are closer to their nearest other fake than a threshold. The threshold is
    the `quantile` of the distances of real images to their nearest other. So the value is about `quantile` if fakes are
    as diverse as real images, and 1 if the generator makes a single image. The more images there are, the closer they
    lie; so equal numbers of both are compared, a random subset of the larger set. The metric is saddlepoint's own.

    It has no interval: two close fakes count together, so they are no independent draws, and a resample with
    replacement would consist of duplicates.
    """

    name = "duplicates"
    greater_is_better = False
    needs_features = True

    def __init__(self, quantile: Annotated[float, number(0, 1, above=True, below=True)] = 0.01):
        if not 0 < quantile < 1:
            raise ValueError(f"metrics.duplicates.quantile={quantile} must be above 0 and below 1: type "
                             "metrics.duplicates.quantile=0.01")
        self.quantile = quantile

    def problem(self, setup: Setup) -> str | None:
        return super().problem(setup) or _too_few(self.name, setup, num_real=2, num_fake=2)

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        count = min(len(real.features), len(fake.features))
        between_reals, between_fakes = (
            radii(_random_subset(sample.features, count, seed_of(seed, 0, "duplicates")), 1).sqrt()
            for sample in (real, fake))
        threshold = between_reals.quantile(self.quantile)
        share = (between_fakes <= threshold).double().mean().item()
        return Measurement(share, None, {"quantile": self.quantile, "compared": count},
                           {"threshold": threshold.item()})


def _random_subset(features: Tensor, count: int, seed: int) -> Tensor:
    if len(features) == count:
        return features
    draws = torch.Generator().manual_seed(seed)
    return features[torch.randperm(len(features), generator=draws)[:count].to(features.device)]


class NeighbourDistance(Metric):
    """The median distance of a fake to its nearest training image, divided by the median distance of a training image
    to its nearest other: 0 for copies, about 1 if fakes differ from training images as these differ from one another.
    The metric is saddlepoint's own, after the usual check for memorisation by nearest neighbours.

    A small value is a warning. It is no score to rank by, since noise is far from everything; `greater_is_better` is
    the direction of less memorisation. There is no value if half of the training images or more have an exact copy
    among the others.
    """

    name = "neighbour_distance"
    greater_is_better = True
    needs_features = True

    def problem(self, setup: Setup) -> str | None:
        return super().problem(setup) or _too_few(self.name, setup, num_real=2, num_fake=1)

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        to_real = nearest(fake.features, real.features)[0].sqrt().double()
        of_fakes = to_real.quantile(0.5).item()
        of_reals = radii(real.features, 1).sqrt().double().quantile(0.5).item()
        details = {"fake_to_real": of_fakes, "real_to_real": of_reals}
        if not of_reals:
            return Measurement(math.nan, details=details, reason="half of the real images or more have an exact copy "
                               "among themselves, so that there is no distance to compare with")
        if not resamples:
            return Measurement(of_fakes / of_reals, details=details)
        if len(to_real) < FEWEST_FOR_A_MEDIAN:
            return Measurement(of_fakes / of_reals, details=details, reason=f"a median's takes {FEWEST_FOR_A_MEDIAN} "
                               f"fakes or more, and there are {len(to_real)}")
        low, high = interval_of_median(to_real)
        return Measurement(of_fakes / of_reals, (low / of_reals, high / of_reals), details=details)


def interval_of_median(values: Tensor) -> tuple[float, float]:
    """Returns the 95 % interval of the median of values [N], which holds for any distribution. It goes from one order
    statistic to another, since the number of values below the median is binomial (N, 1/2). Nothing is resampled."""
    ordered, count = values.sort().values, len(values)
    reach = 1.96 * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach) + 1  # ranks, from 1
    return ordered[max(low, 1) - 1].item(), ordered[min(high, count) - 1].item()


def closest_training_images(real: Sample, fake: Sample, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the `count` fakes that are closest to a training image, the closest first: their numbers, the numbers of
    these training images, and the distances, each [min(count, M)]."""
    real, fake = on_one_device(real, fake)
    squared, numbers = nearest(fake.features, real.features)
    ordered, fakes = squared.sort(stable=True)
    return fakes[:count], numbers[fakes[:count]], ordered[:count].sqrt()


def _too_few(name: str, setup: Setup, num_real: int, num_fake: int) -> str | None:
    if setup.num_real >= num_real and setup.num_fake >= num_fake:
        return None
    return (f"{name}_{setup.extractor} needs at least {num_real} real images and {num_fake} fakes, and there are "
            f"{setup.num_real} and {setup.num_fake}: ask for more")
