"""Finds the latents from which a generator makes given images. N images of C channels and H x W pixels, in [-1, 1]; Z
numbers in the latents of an image, K classes, R starts.

By optimisation, gradients go through the generator to the latents (Creswell and Bharath 2016,
https://arxiv.org/abs/1611.05644; Zhu et al. 2016, section 3.1, https://arxiv.org/abs/1609.03552). That finds the
nearest image from where it starts, not the nearest of all, so several starts are tried and the best one counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from saddlepoint.checks import require
from saddlepoint.game.latents import Latents
from saddlepoint.game.modes import device_of
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.sampling import descent
from saddlepoint.sampling.generator import SamplingGenerator

METHODS = ("adam", "lbfgs")
AT_ONCE = 256  # points that move at once: starts times classes times images

Features = Callable[[Tensor, Tensor], Sequence[Tensor]]  # images [N, C, H, W], labels [N] -> tensors [N, ...]


class Inversion(NamedTuple):
    """The latents that were found for N images, and the images that the generator makes from them."""

    latents: Tensor  # [N, Z]
    images: Tensor  # [N, C, H, W] in [-1, 1]
    errors: Tensor  # [N], mean squared difference of the pixels, from 0 to 4
    labels: Tensor  # [N] int64, classes that were given or fit best; 0 for a generator without classes
    scores: Tensor  # [N], the errors; with features (1 - feature_weight) errors + feature_weight feature errors


@dataclass(frozen=True)
class Search:
    """The way in which latents are searched.

    method: adam or lbfgs
    steps: of the method, 0 or more; 0: the latents stay where they start
    lr: of Adam, above 0; it falls to 0
    restarts: starts drawn from the generator's latents, 1 or more, the same ones for each image
    prior_weight: of half the mean square of normal latents, 0 or more: the larger, the nearer to the middle they stay
    feature_weight: share of the feature error in what is minimised, 0 to 1; the rest is the error of the pixels
        (0.1 in AnoGAN: Schlegl et al. 2017, section 2.2, https://arxiv.org/abs/1703.05921)
    seed: of the starts
    """

    method: str = "adam"
    steps: int = 300
    lr: float = 0.05
    restarts: int = 4
    prior_weight: float = 0.001
    feature_weight: float = 0.1
    seed: int = 0

    def __post_init__(self):
        require(self.method in METHODS, "method", self.method, f"one of {', '.join(METHODS)}")
        require(self.steps >= 0, "steps", self.steps, "a whole number of at least 0")
        require(self.restarts >= 1, "restarts", self.restarts, "a whole number of at least 1")
        require(self.lr > 0, "lr", self.lr, "a number above 0")
        require(self.prior_weight >= 0, "prior_weight", self.prior_weight, "a number of at least 0")
        require(0 <= self.feature_weight <= 1, "feature_weight", self.feature_weight, "a number from 0 to 1")


def invert(generator: SamplingGenerator, images: Tensor, labels: Tensor | None = None, starts: Tensor | None = None,
           search: Search | None = None, features: Features | None = None) -> Inversion:
    """Finds the latents of images [N, C, H, W] in [-1, 1]. Returns tensors on the CPU.

    Uniform latents stay in their range, and categorical codes (model=infogan) keep the value they start with. An
    image's latents do not depend on the other images. Raises a ValueError for images that are not the generator's.

    labels: [N], the classes of the images; None: a generator with classes tries each that it learnt
    starts: [N, R, Z], where the search begins, e.g. at codes of an encoder; None: `search.restarts` latents drawn
        from the generator's distribution
    search: None: Search()
    features: activations that are compared beside the pixels, e.g. the last hidden layer of a discriminator; their
        error is the mean over all tensors of the mean squared difference. None: none are
    """
    search = search or Search()
    labels, starts = candidates(generator, len(images), labels, starts, search)
    block = max(1, AT_ONCE // (labels.shape[1] * starts.shape[1]))
    blocks = zip(*(each.split(block) for each in (images, labels, starts)), strict=True)
    parts = [_invert_block(generator, *each, search, features) for each in blocks]
    return Inversion(*map(torch.cat, zip(*parts, strict=True)))


def candidates(generator: SamplingGenerator, count: int, labels: Tensor | None, starts: Tensor | None,
               search: Search) -> tuple[Tensor, Tensor]:
    """Returns the classes [N, K] that are tried for each of N images, and the starts [N, R, Z]."""
    if labels is not None:
        tried = labels[:, None]
    else:
        classes = generator.classes_learnt if generator.num_classes else [0]
        tried = torch.tensor(classes).expand(count, -1)
    if starts is None:
        starts = generator.latents.of_images(search.seed, 0, search.restarts).expand(count, -1, -1)
    if len(tried) != count or starts.ndim != 3 or len(starts) != count:
        raise ValueError(f"labels [N] and starts [N, R, Z] must be those of {count} images, and they are "
                         f"{[len(tried)]} and {[*starts.shape]}")
    return tried, starts


def _invert_block(generator: SamplingGenerator, images: Tensor, labels: Tensor, starts: Tensor, search: Search,
                  features: Features | None) -> Inversion:
    """Inverts images [N, C, H, W] at once: labels [N, K] that are tried, each with starts [N, R, Z]."""
    (count, num_labels), num_starts, device = labels.shape, starts.shape[1], device_of(generator)
    tries = num_labels * num_starts
    images = images.to(device)
    points = starts.repeat(1, num_labels, 1).flatten(0, 1).to(device)  # [N K R, Z]
    classes = labels.repeat_interleave(num_starts, 1).flatten().to(device)
    comparison = Comparison(generator, images.repeat_interleave(tries, 0), classes, search.feature_weight, features)
    region = Region(generator.latents)

    def objective(latents: Tensor) -> Tensor:
        latents = torch.where(region.moves.to(device), latents, points)
        return comparison.scores(latents) + search.prior_weight * region.half_square(latents)

    points = region.nearest(points)
    if search.method == "adam":
        lowest = descent.adam(objective, points, search.steps, search.lr, region.nearest)
    else:
        lowest = descent.lbfgs(objective, points, search.steps, region.nearest)
    best = lowest.values.view(count, tries).argmin(1) + tries * torch.arange(count, device=device)
    latents, classes = lowest.points[best], classes[best]
    found = Comparison(generator, images, classes, search.feature_weight, features)
    with torch.no_grad():
        made = generator(latents, classes)
        errors, scores = found.errors(made), found.scores(latents)
    return Inversion(*(each.cpu() for each in (latents, made, errors, classes, scores)))


class Comparison:
    """The comparison of what a generator makes with images [N, C, H, W] of classes [N]."""

    def __init__(self, generator: SamplingGenerator, images: Tensor, labels: Tensor, feature_weight: float,
                 features: Features | None):
        self.generator, self.images, self.labels, self.features = generator, images, labels, features
        self.feature_weight = feature_weight if features else 0.0
        with torch.no_grad():
            self.wanted = features(images, labels) if features else ()

    def errors(self, made: Tensor) -> Tensor:
        """Returns the mean squared difference [N] of images [N, C, H, W] from the wanted ones."""
        return mean_square(made, self.images)

    def scores(self, latents: Tensor) -> Tensor:
        """latents [N, Z] -> [N], the weighted sum of the errors of pixels and features"""
        made = self.generator(latents, self.labels)
        score = (1 - self.feature_weight) * self.errors(made)
        if self.features:
            pairs = zip(self.features(made, self.labels), self.wanted, strict=True)
            score = score + self.feature_weight * torch.stack([mean_square(*pair) for pair in pairs]).mean(0)
        return score


class Region:
    """The part of the latent space in which latents are searched.

    moves: [Z], whether a number may change; categorical codes do not, since between their values nothing was trained
    """

    def __init__(self, latents: Latents):
        self.latents, structured = latents, isinstance(latents, StructuredLatents)
        self.noise_size = latents.noise_size if structured else latents.size
        self.moves = torch.ones(latents.size, dtype=torch.bool)
        if structured:
            self.moves[self.noise_size:latents.size - latents.continuous] = False

    def nearest(self, points: Tensor) -> Tensor:
        """Returns the nearest points [M, Z] of the region: uniform latents in their range, codes in [-1, 1]."""
        noise, codes = points[:, :self.noise_size], points[:, self.noise_size:]
        if self.latents.distribution == "uniform":
            noise = noise.clamp(self.latents.low, self.latents.high)
        return torch.cat([noise, codes.clamp(-1, 1)], 1)

    def half_square(self, points: Tensor) -> Tensor:
        """points [M, Z] -> [M], half the mean square of normal latents, which is their negative log density divided by
        their number, but for a constant; 0 for others"""
        if self.latents.distribution != "normal" or not self.noise_size:
            return points.new_zeros(len(points))
        return points[:, :self.noise_size].square().mean(1) / 2


def mean_square(one: Tensor, other: Tensor) -> Tensor:
    """Returns the mean squared difference [N] of tensors [N, ...]."""
    return (one - other).flatten(1).square().mean(1)


def psnr(errors: Tensor) -> Tensor:
    """Returns the peak signal-to-noise ratio [N] in dB of mean squared errors [N] of images in [-1, 1]; infinite for an
    error of 0."""
    return 10 * torch.log10(4 / errors)  # the peak is 2, from black to white
