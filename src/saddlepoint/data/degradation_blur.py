"""The blurs of Real-ESRGAN's degradation, with a random kernel for each image (Wang et al. 2021, sections 3.1 and 3.3,
https://arxiv.org/abs/2107.10833).

They map images [N, C, H, W] in [0, 1] to [N, C, H, W]; a sinc kernel may leave [0, 1].
"""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from saddlepoint.checks import require
from saddlepoint.config.rules import Probability, integer, list_of, number
from saddlepoint.data import blur_kernels
from saddlepoint.data.degradation_draws import (
    NonNegativeRange,
    PositiveRange,
    Range,
    choice,
    happens,
    require_probabilities,
    require_probability,
    require_range,
    uniform,
)

Shapes = Annotated[Sequence[float], list_of(number(0), length=6)]
Sizes = Annotated[tuple[int, int], list_of(integer(3), length=2)]


class Blur(nn.Module):
    """A blur whose kernel is drawn for each image. The defaults are the paper's for the first round; its second round
    has probability 0.8 and sigma (0.2, 1.5).

    A kernel's size is any odd number within `sizes`. Its shape is a sinc with a cutoff of pi/3 (pi/5 if it has 13
    pixels or more) to pi, or else a Gaussian, a generalised Gaussian or a plateau, isotropic or turned at random.
    Exponents are below and above 1 equally often.

    probability: that the images of a batch are blurred at all, 0 to 1
    sizes: smallest and largest side of a kernel in pixels, odd, 3 or more
    sinc_probability: that a kernel is a sinc, 0 to 1
    shapes: shares of the other six shapes, 0 or more: Gaussian isotropic and anisotropic, generalised Gaussian
        isotropic and anisotropic, plateau isotropic and anisotropic
    sigma: smallest and largest width in pixels, 0.01 or more
    generalised_beta, plateau_beta: smallest and largest exponent, 0.01 or more, with 1 between them
    """

    def __init__(self, probability: Probability = 1.0, sizes: Sizes = (7, 21), sinc_probability: Probability = 0.1,
                 shapes: Shapes = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03), sigma: NonNegativeRange = (0.2, 3.0),
                 generalised_beta: PositiveRange = (0.5, 4.0), plateau_beta: PositiveRange = (1.0, 2.0)):
        super().__init__()
        require_probability("blur.probability", probability)
        require_probability("blur.sinc_probability", sinc_probability)
        require_probabilities("blur.shapes", shapes, 6)
        _require_sizes("blur.sizes", sizes)
        require_range("blur.sigma", sigma, 0.01)
        for name, beta in (("blur.generalised_beta", generalised_beta), ("blur.plateau_beta", plateau_beta)):
            require_range(name, beta, 0.01)
            require(beta[0] <= 1 <= beta[1], name, list(beta), "a range with 1 in it")
        self.probability, self.sizes, self.sinc_probability, self.shapes = probability, sizes, sinc_probability, shapes
        self.sigma, self.generalised_beta, self.plateau_beta = sigma, generalised_beta, plateau_beta

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        if not happens(generator, self.probability):
            return images
        return blur_kernels.filtered(images, torch.stack([self.kernel(generator) for _ in images]))

    def kernel(self, generator: torch.Generator) -> Tensor:
        """Draws a kernel [size, size] of the largest of `sizes`, with zeros around a smaller kernel."""
        size = _odd_size(generator, self.sizes)
        if happens(generator, self.sinc_probability):
            kernel = blur_kernels.sinc(size, uniform(generator, math.pi / (3 if size < 13 else 5), math.pi))
        else:
            kernel = self._shaped(size, generator)
        return _padded(kernel, self.sizes[1])

    def _shaped(self, size: int, generator: torch.Generator) -> Tensor:
        family, anisotropic = divmod(choice(generator, self.shapes), 2)
        sigma_x = sigma_y = uniform(generator, *self.sigma)
        angle = 0.0
        if anisotropic:
            sigma_y, angle = uniform(generator, *self.sigma), uniform(generator, -math.pi, math.pi)
        if family == 0:
            return blur_kernels.gaussian(size, sigma_x, sigma_y, angle)
        if family == 1:
            beta = _around_one(generator, self.generalised_beta)
            return blur_kernels.generalised_gaussian(size, sigma_x, sigma_y, angle, beta)
        return blur_kernels.plateau(size, sigma_x, sigma_y, angle, _around_one(generator, self.plateau_beta))


class FinalSinc(nn.Module):
    """A sinc filter with a random cutoff of pi/3 to pi for each image.

    probability: that an image is filtered, 0 to 1
    sizes: smallest and largest side of a kernel in pixels, odd, 3 or more
    """

    def __init__(self, probability: Probability = 0.8, sizes: Sizes = (7, 21)):
        super().__init__()
        require_probability("final_sinc.probability", probability)
        _require_sizes("final_sinc.sizes", sizes)
        self.probability, self.sizes = probability, sizes

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return blur_kernels.filtered(images, torch.stack([self.kernel(generator) for _ in images]))

    def kernel(self, generator: torch.Generator) -> Tensor:
        """Draws a kernel [size, size] of the largest of `sizes`; one that changes nothing is 1 in its centre."""
        kernel = torch.ones(1, 1, dtype=torch.float64)
        if happens(generator, self.probability):
            size = _odd_size(generator, self.sizes)
            kernel = blur_kernels.sinc(size, uniform(generator, math.pi / 3, math.pi))
        return _padded(kernel, self.sizes[1])


def _odd_size(generator: torch.Generator, sizes: tuple[int, int]) -> int:
    count = (sizes[1] - sizes[0]) // 2 + 1
    return sizes[0] + 2 * choice(generator, [1] * count)


def _around_one(generator: torch.Generator, beta: Range) -> float:
    return uniform(generator, beta[0], 1) if happens(generator, 0.5) else uniform(generator, 1, beta[1])


def _padded(kernel: Tensor, size: int) -> Tensor:
    return functional.pad(kernel, [(size - len(kernel)) // 2] * 4)


def _require_sizes(name: str, sizes: tuple[int, int]) -> None:
    require_range(name, sizes, 3)
    require(sizes[0] % 2 == 1 and sizes[1] % 2 == 1, name, list(sizes), "two odd numbers of pixels")
