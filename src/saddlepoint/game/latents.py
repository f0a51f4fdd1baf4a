"""The distribution of a generator's latents, and of the class labels that come with them."""

import copy
from typing import Annotated

import torch
from torch import Tensor

from saddlepoint.config.rules import Count, NonNegative, Positive, one_of
from saddlepoint.game.latent_mixture import LatentMixture
from saddlepoint.game.random_streams import RandomStreams

DISTRIBUTIONS = ("normal", "uniform")
MIXTURE = "mixture"  # whose parameters the generator's optimizer trains


class Latents:
    """The distribution of latents z: N(0, I), uniform on [low, high) in each of `size` dimensions, or a learned mixture
    of Gaussians (latent_mixture.py).

    size: dimensions, 1 or more
    distribution: normal, uniform or mixture
    low, high: of uniform latents, and of the means with which a mixture starts
    components: Gaussians of a mixture, 1 or more
    scale: of each dimension of these at the start, above 0
    scale_weight: of the mean of (1 - scale)^2 in G's loss, 0 or more
    """

    def __init__(self, size: Count, distribution: Annotated[str, one_of(*DISTRIBUTIONS, MIXTURE)] = "normal",
                 low: float = -1.0, high: float = 1.0, components: Count = 50, scale: Positive = 0.2,
                 scale_weight: NonNegative = 0.1):
        if distribution not in (*DISTRIBUTIONS, MIXTURE):
            raise ValueError(f"model.latents.distribution={distribution} must be normal, uniform or mixture")
        if low >= high:
            raise ValueError(f"model.latents.low={low} must be below model.latents.high={high}")
        if components < 1:
            raise ValueError(f"model.latents.components={components} must be at least 1 Gaussian")
        if scale <= 0:
            raise ValueError(f"model.latents.scale={scale} must be above 0")
        self.size, self.distribution, self.low, self.high = size, distribution, low, high
        self.scale_weight = scale_weight
        self.threshold: float | None = None  # of truncated normal latents
        self.mixture = LatentMixture(size, components, low, high, scale) if distribution == MIXTURE else None

    def of_mixture(self, mixture: LatentMixture) -> "Latents":
        """Returns the same latents with another mixture of the same form, e.g. with averaged means and scales."""
        latents = copy.copy(self)
        latents.mixture = mixture
        return latents

    def truncated(self, threshold: float) -> "Latents":
        """Returns the same normal latents with each number beyond -threshold .. threshold drawn again until it is
        within: the truncated normal distribution (Brock et al. 2019, section 3.1, https://arxiv.org/abs/1809.11096).
        Numbers within stay what they are. threshold: above 0."""
        if self.distribution != "normal" or not threshold > 0:
            raise ValueError(f"Latents of model.latents.distribution={self.distribution} are truncated at {threshold}: "
                             "they must be normal, and the threshold above 0")
        latents = copy.copy(self)
        latents.threshold = threshold
        return latents

    def draw(self, random: RandomStreams, count: int) -> Tensor:
        """Returns `count` latents [count, size] from the streams of one update, those of a mixture with its graph."""
        if self.mixture is not None:
            components = random.integers("components", len(self.mixture.means), (count,))
            return self.mixture(components, random.normal("latents", (count, self.size)))
        if self.distribution == "normal":
            numbers = random.normal("latents", (count, self.size))
            if self.threshold is None:
                return numbers
            return within(self.threshold, numbers, random.uniform("truncation", (count, self.size)))
        return self.low + (self.high - self.low) * random.uniform("latents", (count, self.size))

    @torch.no_grad()
    def of_images(self, seed: int, first: int, count: int) -> Tensor:
        """Returns the latents [count, size] of images first .. first + count - 1 of a seed.

        Each image has random numbers of its own, so image 17 of a seed is the same however many are drawn with it.
        """
        latents = self if self.mixture is None else self.of_mixture(copy.deepcopy(self.mixture).cpu())
        return torch.cat([latents.draw(RandomStreams(seed, index), 1) for index in range(first, first + count)])

    def between(self, start: Tensor, end: Tensor, steps: int) -> Tensor:
        """Returns `steps` points [steps, size] from start [size] to end [size], both included.

        Interpolates normal latents on the sphere, because the midpoint of a straight line is shorter than any latent
        the generator was trained on (White 2016, https://arxiv.org/abs/1609.04468, section 2.1). Interpolates uniform
        latents linearly, because their cube is convex, and those of a mixture, whose components are no sphere.
        """
        fraction = torch.linspace(0, 1, steps).unsqueeze(1)
        if self.distribution != "normal":
            return torch.lerp(start, end, fraction)
        cosine = torch.nn.functional.cosine_similarity(start, end, dim=0).clamp(-1, 1)
        angle = torch.acos(cosine)
        if angle.sin() < 1e-6:  # parallel: the arc is the line
            return torch.lerp(start, end, fraction)
        return (torch.sin((1 - fraction) * angle) * start + torch.sin(fraction * angle) * end) / angle.sin()


    def on_path(self, start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
        """Returns a point of each path from start [N, size] to end [N, size], where fraction [N, 1] float64 of it is
        done; float32, computed in float64, since path lengths compare points that are nearly the same.

        Directions of normal latents turn at a constant speed, and lengths change linearly. Others go straight.
        """
        start, end = start.double(), end.double()
        line = torch.lerp(start, end, fraction)
        if self.distribution != "normal":
            return line.float()
        lengths = torch.lerp(start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True), fraction)
        one, other = torch.nn.functional.normalize(start), torch.nn.functional.normalize(end)
        cosine = (one * other).sum(1, keepdim=True).clamp(-1, 1)
        across = torch.nn.functional.normalize(other - cosine * one)
        angle = fraction * cosine.acos()
        return (lengths * (angle.cos() * one + angle.sin() * across)).float()


    def centre(self) -> Tensor:
        """Returns the mean of the distribution [size]."""
        if self.mixture is not None:
            return self.mixture.centre()
        return torch.full((self.size,), 0.0 if self.distribution == "normal" else (self.low + self.high) / 2)

    def limits(self) -> tuple[Tensor, Tensor] | None:
        """Returns the least and the greatest number of each dimension [size]; None where there are none (normal)."""
        if self.mixture is not None:
            return self.mixture.limits()
        if self.distribution == "normal":
            return None
        return torch.full((self.size,), self.low), torch.full((self.size,), self.high)


def within(threshold: float, normal: Tensor, uniform: Tensor) -> Tensor:
    """Returns the numbers `normal` [N, Z] of N(0, 1), those beyond -threshold .. threshold replaced by the quantiles
    `uniform` [N, Z] in [0, 1) of the truncated distribution, which is what drawing them again until they are within
    comes to."""
    limit = torch.tensor(threshold, dtype=torch.float64, device=normal.device)
    below = torch.special.ndtr(-limit)  # the share of N(0, 1) below the limits
    again = torch.special.ndtri(below + uniform.double() * (1 - 2 * below)).clamp(-limit, limit)
    return torch.where(normal.abs() <= threshold, normal, again.to(normal))


def class_labels(distribution: Tensor | None, seed: int, first: int, count: int) -> Tensor:
    """Returns the classes [count] of images first .. first + count - 1 of a seed: each is a function of (seed, image).

    `distribution` [K] is cumulative; where it is None there are no classes, and all labels are 0.
    """
    if distribution is None:
        return torch.zeros(count, dtype=torch.long)
    uniform = torch.cat([RandomStreams(seed, index).uniform("labels", (1,)) for index in range(first, first + count)])
    return classes_at(distribution.cpu(), uniform)


def classes_drawn(distribution: Tensor) -> list[int]:
    """Returns the ids of the classes that a cumulative distribution [K] can draw, those with a share above 0."""
    return torch.diff(distribution, prepend=distribution.new_zeros(1)).nonzero().flatten().tolist()


def classes_at(distribution: Tensor, uniform: Tensor) -> Tensor:
    """Maps uniform numbers [N] in [0, 1) to class ids [N] with a cumulative distribution [K]."""
    return torch.searchsorted(distribution, uniform, right=True).clamp(max=len(distribution) - 1)
