"""The kernel distance (KID) of features. N images, D features."""

from typing import Annotated

import torch
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from saddlepoint.config.rules import Count, integer
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup


class KernelDistance(Metric):
    """The unbiased estimate of MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y) with k(x, y) = (x.y / D + 1)^degree, mean
    over random subsets (Binkowski et al. 2018, section 4, https://arxiv.org/abs/1801.01401). When both distributions
    are the same, it is 0 on average whatever the number of images, so about half of such values are slightly negative.

    subsets: number of random subsets of each side, 1 or more
    subset_size: images in each, 2 or more
    degree: of the polynomial kernel, 1 or more

    The kernel and the estimate are torchmetrics'; the subsets are drawn here, from a random generator of their own. The
    interval comes from the subsets, whatever the number of resamples: see `subset_interval`.
    """

    name = "kid"
    greater_is_better = False
    needs_features = True

    def __init__(self, subsets: Count = 100, subset_size: Annotated[int, integer(2)] = 1000, degree: Count = 3):
        for setting, value, lowest in (("subsets", subsets, 1), ("subset_size", subset_size, 2), ("degree", degree, 1)):
            if value < lowest:
                raise ValueError(f"metrics.kid.{setting}={value} must be at least {lowest}: type "
                                 "metrics.kid.subsets=100 metrics.kid.subset_size=1000 metrics.kid.degree=3")
        self.subsets, self.subset_size, self.degree = subsets, subset_size, degree

    def in_subsets_of(self, most: int) -> "KernelDistance":
        """Returns the same estimate from subsets of at most so many images, 2 or more."""
        return KernelDistance(self.subsets, min(self.subset_size, most), self.degree)

    def problem(self, setup: Setup) -> str | None:
        fewest = min(setup.num_real, setup.num_fake)
        return super().problem(setup) or (
            f"{self.name}_{setup.extractor} compares subsets of metrics.kid.subset_size={self.subset_size} images, and "
            f"there are {setup.num_real} real images and {setup.num_fake} fakes: "
            + (f"type metrics.kid.subset_size={fewest} or less, or ask for more" if fewest > 1 else "ask for more")
            if fewest < self.subset_size else None)

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        estimates = self.estimates(real.features, fake.features, seed)
        interval, reason = None, ""
        if resamples:
            count = min(len(real.features), len(fake.features))
            interval = subset_interval(estimates, self.subset_size, count)
            if interval is None:
                reason = (f"it takes two subsets or more, smaller than the whole, and of {count} images there are "
                          f"metrics.kid.subsets={self.subsets} of metrics.kid.subset_size={self.subset_size}")
        settings = {"subsets": self.subsets, "subset_size": self.subset_size, "degree": self.degree}
        return Measurement(estimates.mean().item(), interval, settings, reason=reason)

    def estimates(self, real: Tensor, fake: Tensor, seed: int) -> Tensor:
        """Returns one estimate for each subset, [subsets] float64: features of real images [N, D] and of fakes [M,
        D]."""
        draws = torch.Generator().manual_seed(seed_of(seed, 0, "kid"))

        def subset(features: Tensor) -> Tensor:
            chosen = torch.randperm(len(features), generator=draws)[:self.subset_size]
            return features[chosen.to(features.device)].double()

        return torch.stack([poly_mmd(subset(real), subset(fake), self.degree) for _ in range(self.subsets)]).cpu()


def subset_interval(estimates: Tensor, subset_size: int, count: int) -> tuple[float, float] | None:
    """Returns mean +- 1.96 standard errors, from the spread of `estimates` over subsets of the `count` images; None if
    there is one subset only, or if a subset is all images.

    The method is subsampling (Politis and Romano 1994, https://doi.org/10.1214/aos/1176325770). The variance of an
    estimate is proportional to 1 / size. Subsets are drawn without replacement; large ones overlap, which makes their
    estimates more alike by the factor (1 - size / count). Together the factor is size / (count - size), as in the
    delete-d jackknife (Shao and Wu 1989). The mean over a finite number of subsets adds its own variance. `count` is
    the smaller of the numbers of real images and of fakes, so that the interval is rather too wide than too narrow.
    """
    if len(estimates) < 2 or subset_size >= count:
        return None
    factor = subset_size / (count - subset_size) + 1 / len(estimates)
    error = 1.96 * estimates.std().item() * factor**0.5
    return estimates.mean().item() - error, estimates.mean().item() + error
