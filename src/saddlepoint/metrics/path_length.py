"""The path length of a generator: how much its images change, at most places of its latent space, with a small step.

N pairs of images of C channels and H x W pixels; z latents, w what a generator's mapping makes of them.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Positive, one_of
from saddlepoint.game.device_memory import upload
from saddlepoint.game.latents import class_labels
from saddlepoint.game.modes import device_of, in_float32
from saddlepoint.game.networks import HasMapping
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics import lpips
from saddlepoint.metrics.bootstrap import centred_interval, resampling_weights
from saddlepoint.metrics.images import BLOCK, GeneratedImages, own_blocks
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup

SPACES, SAMPLINGS = ("z", "w"), ("full", "end")
SHARES = (0.01, 0.99)  # between these quantiles pairs are counted
LARGEST = 256  # pixels: larger images are made smaller by a whole factor, as VGG saw images of 224


class PathLength(Metric):
    """PPL (Karras et al. 2019, section 4.1, https://arxiv.org/abs/1812.04948): the mean over random paths of
    d(G(p(t)), G(p(t + epsilon))) / epsilon^2, d being LPIPS by VGG, without the lowest and highest 1 % of the pairs.

    space: z, along great circles between latents (straight lines where latents are uniform), or w, along straight lines
        between what the generator's mapping makes of them
    sampling: full, t uniform in [0, 1], or end, t = 0 (Karras et al. 2020, with w)
    epsilon: the step, above 0

    As many pairs are measured as there are fakes; papers have 50,000. Both images have the label of the fake of that
    number. They are compared as the generator makes them, not rounded to 8 bits, which would hide so small a step.
    Images of 512 pixels or more are averaged over squares to 256 or a little more. The interval is a bootstrap.
    """

    name = "ppl"
    greater_is_better = False
    needs_generator = True

    def __init__(self, space: Annotated[str, one_of(*SPACES)] = "z",
                 sampling: Annotated[str, one_of(*SAMPLINGS)] = "full", epsilon: Positive = 1e-4):
        for setting, value, names in (("space", space, SPACES), ("sampling", sampling, SAMPLINGS)):
            if value not in names:
                raise ValueError(f"metrics.ppl.{setting}={value} must be {' or '.join(names)}")
        if epsilon <= 0:
            raise ValueError(f"metrics.ppl.epsilon={epsilon} must be above 0: papers have 1e-4")
        self.space, self.sampling, self.epsilon = space, sampling, epsilon

    def problem(self, setup: Setup) -> str | None:
        if problem := super().problem(setup):
            return problem
        if self.space not in setup.latent_spaces:
            return ("metrics.ppl.space=w walks between what a generator's mapping makes of latents, and this generator "
                    "has none: type metrics.ppl.space=z")
        missing = lpips.missing("vgg")
        return missing and f"ppl compares images by LPIPS. {missing}"

    @cached_property
    def distance(self) -> lpips.Lpips:
        return lpips.Lpips("vgg")

    @torch.no_grad()
    def look_at_generator(self, images: GeneratedImages) -> Iterator[tuple[int, Tensor]]:
        device, half = device_of(images.generator), BLOCK // 2
        distance = self.distance.to(device)
        for number in own_blocks(images.count):
            for first in range(number * BLOCK, min((number + 1) * BLOCK, images.count), half):
                pair = self._drawn(images, first, half, device)
                changes = distance(*pair).double() / self.epsilon**2
                yield first, changes[:images.count - first].cpu()

    def _drawn(self, images: GeneratedImages, first: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Returns the images on both ends of the steps number first .. first + count - 1: two [N, C, H, W] in [0, 1].
        They are made in one batch, so that layers that look at it see the same one."""
        starts = images.latents.of_images(images.seed, first, count)
        ends = images.latents.of_images(seed_of(images.seed, 1, "path_length"), first, count)
        labels = upload(class_labels(images.class_distribution, images.seed, first, count), device)
        fractions = torch.zeros(count, 1, dtype=torch.float64)
        if self.sampling == "full":
            draws = torch.Generator().manual_seed(seed_of(images.seed, first, "path_places"))
            fractions = torch.rand(count, 1, generator=draws, dtype=torch.float64)
        both = fractions, fractions + self.epsilon
        with in_float32(device):
            if self.space == "w":
                made = self._on_lines(images.generator, upload(starts, device), upload(ends, device), labels, both)
            else:
                latents = torch.cat([images.latents.on_path(starts, ends, each) for each in both])
                made = images.generator(upload(latents, device), labels.repeat(2))
        return tuple(reduced((made.float() + 1) / 2).chunk(2))

    @staticmethod
    def _on_lines(generator: HasMapping, starts: Tensor, ends: Tensor, labels: Tensor,
                  fractions: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the images [2N, C, H, W] at two places of the lines between the styles of two latents."""
        from_, to = generator.mapping(torch.cat([starts, ends]), labels.repeat(2)).double().chunk(2)
        shape = -1, *[1] * (from_.dim() - 1)
        styles = [torch.lerp(from_, to, upload(each, from_.device).view(shape)).float() for each in fractions]
        return generator.synthesis(torch.cat(styles))

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        changes = fake.of_generator[self.name]
        through = {"extractor": "lpips_vgg", "digest": self.distance.digest, "quantisation": "none",
                   "resize": f"from {2 * LARGEST} pixels on means over squares, to {LARGEST} or a little more"}
        settings = {"space": self.space, "sampling": self.sampling, "epsilon": self.epsilon}
        value = trimmed_mean(changes)
        if not resamples:
            return Measurement(value, settings=settings, through=through)
        resampled = [trimmed_mean(changes.repeat_interleave(weights))
                     for weights in resampling_weights(len(changes), seed, resamples)]
        interval = centred_interval(value, torch.tensor(resampled, dtype=torch.float64))
        return Measurement(value, interval, settings, through=through)


def latent_spaces(generator: nn.Module) -> tuple[str, ...]:
    """Returns the spaces in which a generator can be walked: z, and w where it has a mapping."""
    return SPACES if isinstance(generator, HasMapping) else SPACES[:1]


def reduced(images: Tensor) -> Tensor:
    """Returns means over squares of f x f pixels, f being how often LARGEST fits into the height: [N, C, H, W] ->
    [N, C, H / f, W / f]."""
    factor = images.shape[-2] // LARGEST
    return nn.functional.avg_pool2d(images, factor) if factor > 1 else images


def trimmed_mean(values: Tensor) -> float:
    """Returns the mean of those values [N] that lie between the quantiles SHARES; the bounds are values themselves, the
    next lower and the next higher one."""
    low, high = (values.quantile(share, interpolation=side) for share, side in zip(SHARES, ("lower", "higher"),
                                                                                   strict=True))
    return values[(values >= low) & (values <= high)].mean().item()
