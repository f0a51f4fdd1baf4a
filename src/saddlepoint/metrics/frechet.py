"""The Fréchet distance (FID) of two sets of images, whose features are taken to be Gaussian. N images, D features; sums
are float64."""

import math
from typing import Annotated

import torch
from torch import Tensor

from saddlepoint.config.rules import integer, number
from saddlepoint.metrics.bootstrap import centred_interval, resampling_weights
from saddlepoint.metrics.gaussians import Gaussian, distance, gaussian
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup
from saddlepoint.metrics.sums import Moments


def frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    """Returns |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)); means [D], covariances [D, D], float64 (Dowson and Landau
    1982, https://doi.org/10.1016/0047-259X(82)90077-X)."""
    return distance(gaussian(mean1, covariance1), gaussian(mean2, covariance2))


def gaussian_of(moments: Moments) -> Gaussian:
    return gaussian(moments.mean, moments.covariance)


class FrechetDistance(Metric):
    """FID through any extractor (Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6).

    The interval says how far the value would move with other fakes; the real images are a fixed part of the protocol.
    A resample holds fewer distinct images and scores worse, often in all cases. So the interval takes the spread of the
    resamples about their own mean and puts it around the value. It leaves out the bias of the value, which lies above
    the FID of infinitely many fakes.
    """

    name = "fid"
    greater_is_better = False

    def problem(self, setup: Setup) -> str | None:
        return super().problem(setup) or self._too_few(setup, setup.num_features, "features")

    def _too_few(self, setup: Setup, num_features: int, kind_of_features: str) -> str | None:
        """Returns a sentence if one side has too few images for a covariance of full rank. How many images a file of
        statistics is of is its maker's matter."""
        counts = {"fake": setup.num_fake} if setup.stored else {"real": setup.num_real, "fake": setup.num_fake}
        few = [f"{count} {kind}" for kind, count in counts.items() if count <= num_features]
        where = "" if setup.stored else " on each side"
        return None if not few else (
            f"{self.name}_{setup.extractor} needs at least {num_features + 1} images{where}, since "
            f"{setup.extractor} has {num_features} {kind_of_features}, and there are {' and '.join(few)} ones")

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        reference = gaussian_of(real.moments)
        value = distance(reference, gaussian_of(fake.moments))
        if not resamples:
            return Measurement(value)
        resampled = [distance(reference, gaussian_of(Moments.weighted(fake.features, weights)))
                     for weights in resampling_weights(fake.count, seed, resamples)]
        low, high = centred_interval(value, torch.tensor(resampled, dtype=torch.float64))
        return Measurement(value, (max(0.0, low), high))


class SpatialFrechetDistance(FrechetDistance):
    """sFID (Nash et al. 2021, https://arxiv.org/abs/2103.03841, section 4): the Fréchet distance of spatial features,
    which keep their places in the image, where those of FID are means over it. Through Inception, whose spatial
    features are the ones that Dhariwal and Nichol 2021 chose, it is the sFID of diffusion models' tables.

    There is no interval: that takes the spatial features of every image, and only their moments are kept.
    """

    name = "sfid"
    needs_spatial = True

    def problem(self, setup: Setup) -> str | None:
        return Metric.problem(self, setup) or self._too_few(setup, setup.num_spatial, "spatial features")

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        value = distance(gaussian_of(real.spatial), gaussian_of(fake.spatial))
        return Measurement(value, reason="spatial features of single images are not kept" if resamples else "")


class ExtrapolatedFrechetDistance(FrechetDistance):
    """FID-infinity (Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023): an estimate of the FID of infinitely
    many fakes. FID is nearly linear in 1/N. A line is fitted by least squares to the FIDs of `points` random subsets,
    from `smallest_share` of the fakes to all of them in equal steps of N, and its value at 1/N = 0 is returned. The
    real images are not extrapolated. The value may fall below 0.

    The paper's 15 points run from 5,000 to 50,000 images, a share of 0.1. The default here is 0.2, as the line bends
    below about three images for each feature. For the interval, each resample is divided and fitted in the same way.
    """

    name = "fid_infinity"
    needs_features = True
    real_moments_suffice = True

    def __init__(self, points: Annotated[int, integer(2)] = 15,
                 smallest_share: Annotated[float, number(0, 1, above=True, below=True)] = 0.2):
        if points < 2:
            raise ValueError(f"metrics.fid_infinity.points={points} must be at least 2: a line needs two points")
        if not 0 < smallest_share < 1:
            raise ValueError(f"metrics.fid_infinity.smallest_share={smallest_share} must be above 0 and below 1")
        self.points, self.smallest_share = points, smallest_share

    def problem(self, setup: Setup) -> str | None:
        needed = math.ceil((setup.num_features + 1) / self.smallest_share)
        if setup.num_fake >= needed:
            return super().problem(setup) or self._no_line(setup.num_fake)
        return (f"{self.name}_{setup.extractor} needs at least {needed} fakes, since the smallest subset it measures, "
                f"{self.smallest_share:g} of them, must hold more images than {setup.extractor} has features, "
                f"{setup.num_features}, and there are {setup.num_fake}")

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        reference, images = gaussian_of(real.moments), torch.arange(fake.count)
        draws = torch.Generator().manual_seed(seed)
        value = self._extrapolated(reference, fake.features, images, draws)
        settings = {"points": self.points, "smallest_share": self.smallest_share}
        if not resamples:
            return Measurement(value, settings=settings)
        resampled = [self._extrapolated(reference, fake.features, images.repeat_interleave(weights), draws)
                     for weights in resampling_weights(fake.count, seed, resamples)]
        return Measurement(value, centred_interval(value, torch.tensor(resampled, dtype=torch.float64)), settings)

    def _no_line(self, num_fake: int) -> str | None:
        if len(self._counts(num_fake).unique()) > 1:
            return None
        return (f"{self.name} needs subsets of different sizes, and metrics.fid_infinity.smallest_share="
                f"{self.smallest_share:g} of {num_fake} fakes is all of them: type "
                "metrics.fid_infinity.smallest_share=0.2")

    def _counts(self, num_fake: int) -> Tensor:
        return torch.linspace(self.smallest_share * num_fake, num_fake, self.points).round().long()

    def _extrapolated(self, reference: Gaussian, features: Tensor, images: Tensor, draws: torch.Generator) -> float:
        """Returns the extrapolated distance of the images with these numbers: features [N, D]; images [N] int64,
        numbers of rows of `features`, which may repeat."""
        counts = self._counts(len(images))
        values = []
        for count in counts.tolist():
            subset = images[torch.randperm(len(images), generator=draws)[:count]]
            moments = Moments.weighted(features, subset.bincount(minlength=len(features)))
            values.append(distance(reference, gaussian_of(moments)))
        return value_at_infinity(counts, torch.tensor(values, dtype=torch.float64))


def value_at_infinity(counts: Tensor, values: Tensor) -> float:
    """Returns the value at 0 of the least-squares line through (1 / counts, values); counts [P], values [P]."""
    places = 1 / counts.double()
    centred = places - places.mean()
    slope = centred @ values / centred.square().sum()
    return (values.mean() - slope * places.mean()).item()
