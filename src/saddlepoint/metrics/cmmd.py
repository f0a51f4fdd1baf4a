"""The kernel distance of normalised features that CLIP made usual (CMMD). N images, D features, B resamples."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from saddlepoint.config.rules import Positive
from saddlepoint.metrics.bootstrap import centred_interval, resampling_weights
from saddlepoint.metrics.distances import tile_side
from saddlepoint.metrics.metric import Measurement, Metric, Sample

SCALE = 1000  # by which the paper multiplies, to have numbers that are easy to read


class NormalisedKernelDistance(Metric):
    """CMMD (Jayasumana et al. 2024, section 5, https://arxiv.org/abs/2401.09603): 1,000 times MMD^2 between features
    divided by their lengths, with k(x, y) = exp(-|x - y|^2 / (2 sigma^2)).

    sigma: width of the kernel, above 0

    The estimate is the paper's: means over all pairs of images, an image with itself included, so it is 0 or more, and
    the distance of two samples of one distribution falls as 1 / N. Through extractor=clip it is the paper's number,
    with 30,000 images on either side there. The interval is a bootstrap over the fakes, centred on the value.
    """

    name = "cmmd"
    greater_is_better = False
    needs_features = True

    def __init__(self, sigma: Positive = 10.0):
        if sigma <= 0:
            raise ValueError(f"metrics.cmmd.sigma={sigma} must be above 0: the paper has 10")
        self.sigma = sigma

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        reals, fakes = normalize(real.features.double()), normalize(fake.features.double())
        once = torch.ones(1, len(fakes), dtype=torch.float64)
        weights = torch.cat([once, *(each[None].double() for each in resampling_weights(len(fakes), seed, resamples))])
        values = self.of_weighted(reals, fakes, weights.to(fakes.device)).cpu()
        value = max(0.0, values[0].item())  # rounding may put the distance of equal sets below 0
        settings = {"sigma": self.sigma}
        if not resamples:
            return Measurement(value, settings=settings)
        low, high = centred_interval(value, values[1:])
        return Measurement(value, (max(0.0, low), high), settings)

    def of_weighted(self, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
        """Returns the distances [B] float64 where fake j counts weights[b, j] times: real [N, D], fake [M, D], weights
        [B, M], each row with the sum M."""
        shares = weights.T / len(fake)  # [M, B]
        equal = torch.full((len(real), 1), 1 / len(real), dtype=torch.float64, device=real.device)
        within = self._mean_kernel(real, real, equal, equal) + self._mean_kernel(fake, fake, shares, shares)
        return SCALE * (within - 2 * self._mean_kernel(real, fake, equal, shares))

    def _mean_kernel(self, one: Tensor, other: Tensor, one_shares: Tensor, other_shares: Tensor) -> Tensor:
        """Returns sum_ij p_i k(x_i, y_j) q_j for each column of the shares p [N, 1 or B] and q [M, 1 or B]: [1 or B].
        The kernel is computed in tiles, and of a set with itself only one half is."""
        side = tile_side(one.device, one.shape[1])
        total = torch.zeros(1, dtype=torch.float64, device=one.device)
        for top in range(0, len(one), side):
            for left in range(top if one is other else 0, len(other), side):
                rows, columns = slice(top, top + side), slice(left, left + side)
                part = (one_shares[rows] * (self.kernel(one[rows], other[columns]) @ other_shares[columns])).sum(0)
                total = total + (2 * part if one is other and left > top else part)
        return total

    def kernel(self, one: Tensor, other: Tensor) -> Tensor:
        """Returns the kernel of each row of x [n, D] with each of y [m, D], float64: [n, m]."""
        squared = one.square().sum(1)[:, None] + other.square().sum(1) - 2 * one @ other.T
        return squared.mul_(-0.5 / self.sigma**2).exp_()
