"""Truncates latents or styles: images become more typical of the data, and less different from each other.

N images, Z numbers in the latents of an image, W in a style.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.game.networks import HasMeanStyle
from saddlepoint.game.structured_latents import StructuredLatents


class Truncated(NamedTuple):
    """A generator and its latents, one of which is truncated."""

    generator: nn.Module
    latents: Latents
    formula: str | None  # for the protocol of values; None: what is drawn is the same as without
    explanation: str     # for people, without a subject


class TruncatedStyles(nn.Module):
    """A generator whose styles are moved towards their mean: w' = mean + psi (w - mean).

    Karras et al. 2019, appendix B, https://arxiv.org/abs/1812.04948. The mean is that of all classes.

    generator: with a mapping, a synthesis and the mean of its styles
    psi: 0, where all images have the mean style, to 1, where styles stay as they are
    """

    def __init__(self, generator: HasMeanStyle, psi: float):
        super().__init__()
        self.generator, self.psi = generator, psi
        self.num_classes = getattr(generator, "num_classes", 0)

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, Z], labels [N] -> truncated styles [N, W]"""
        return torch.lerp(self.generator.mean_style, self.generator.mapping(latents, labels), self.psi)

    def synthesis(self, styles: Tensor) -> Tensor:
        """styles [N, W] -> images [N, C, H, W]"""
        return self.generator.synthesis(styles)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, Z], labels [N] -> images [N, C, H, W]"""
        return self.synthesis(self.mapping(latents, labels))


def truncate(generator: nn.Module, latents: Latents, value: float) -> Truncated:
    """Returns a generator and latents that are truncated by `truncation=value`: where the generator has a mapping, its
    styles by psi = value; else the numbers of normal latents at a magnitude of value, by drawing others.

    Raises a RequestError where there is neither, and for values out of range: psi is from 0 to 1, a magnitude above 0.
    """
    if isinstance(generator, HasMeanStyle):
        if not 0 <= value <= 1:
            raise RequestError(f"truncation={value:g} is psi for this run, whose generator maps latents to styles, and "
                               "must be from 0 to 1: type e.g. truncation=0.7")
        formula = f"w' = mean + {value:g} (w - mean)"
        return Truncated(TruncatedStyles(generator, value), latents, None if value == 1 else formula,
                         f"the generator's styles w are moved towards their mean, {formula}")
    if isinstance(latents, StructuredLatents) or latents.distribution != "normal":
        raise RequestError(f"truncation={value:g} needs a generator that maps latents to styles, or normal latents "
                           "without codes, and this run has neither: leave truncation= out")
    if not value > 0:
        raise RequestError(f"truncation={value:g} is the largest magnitude of a latent number for this run, whose "
                           "latents are normal, and must be above 0: type e.g. truncation=0.5")
    return Truncated(generator, latents.truncated(value), f"|z| <= {value:g}",
                     f"numbers of the latents z beyond {value:g} standard deviations are drawn again")
