"""The resizing, noise and JPEG of Real-ESRGAN's degradation (Wang et al. 2021, section 3.1,
https://arxiv.org/abs/2107.10833). N images, C channels, H x W pixels, in [0, 1].

As in the paper's code, sizes and the kind of noise are drawn once for a batch. Strengths, JPEG qualities and whether
noise is grey are drawn for each image. Bicubic resizing may leave [0, 1]; the results of noise and JPEG are within it.
"""

import io
import math
from collections.abc import Sequence
from typing import Annotated

import numpy
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from saddlepoint.checks import require
from saddlepoint.config.rules import Probability, integer, list_of, number
from saddlepoint.data.degradation_draws import (
    NonNegativeRange,
    PositiveRange,
    choice,
    happens,
    require_probabilities,
    require_probability,
    require_range,
    uniform,
)

RESIZINGS = ("area", "bilinear", "bicubic")  # without antialiasing: aliasing is one of the degradations


class Resize(nn.Module):
    """A resize of a batch by a random factor, by area, bilinear or bicubic interpolation.

    The defaults are the paper's for the first round; its second round has probabilities (0.3, 0.4, 0.3) and factors
    (0.3, 1.2). The factor is uniform from 1 to the largest where images are enlarged, and from the smallest to 1 where
    they are reduced.

    probabilities: of enlarging, reducing and neither, 0 or more, as shares
    factors: smallest and largest factor, 0.01 or more, with 1 between them
    """

    def __init__(self, probabilities: Annotated[Sequence[float], list_of(number(0), length=3)] = (0.2, 0.7, 0.1),
                 factors: PositiveRange = (0.15, 1.5)):
        super().__init__()
        require_probabilities("resize.probabilities", probabilities, 3)
        require_range("resize.factors", factors, 0.01)
        require(factors[0] <= 1 <= factors[1], "resize.factors", list(factors), "a range with 1 in it")
        self.probabilities, self.factors = probabilities, factors

    def forward(self, images: Tensor, height: float, width: float, generator: torch.Generator,
                threads: int | None = None) -> Tensor:
        """images [N, C, H, W] of any size -> [N, C, factor * height, factor * width], rounded down, at least 1 pixel.
        `threads`: see `resized`."""
        factor = self.factor(generator)
        return resized(images, max(1, int(height * factor)), max(1, int(width * factor)), generator, threads)

    def factor(self, generator: torch.Generator) -> float:
        low, high = ((1, self.factors[1]), (self.factors[0], 1), (1, 1))[choice(generator, self.probabilities)]
        return uniform(generator, low, high)


def resized(images: Tensor, height: int, width: int, generator: torch.Generator,
            threads: int | None = None) -> Tensor:
    """Resizes by area, bilinear or bicubic interpolation, each as likely: [N, C, H, W] -> [N, C, height, width].

    `threads`: the result is that of a process with so many threads; None: of this one. torch's bilinear interpolation
    of colours rounds differently in the last bit if it has one thread; that of one channel is always the same.
    """
    mode = RESIZINGS[choice(generator, (1, 1, 1))]
    if mode == "bilinear" and threads is not None and threads > 1 and images.device.type == "cpu":
        channels = [functional.interpolate(each, size=(height, width), mode=mode) for each in images.split(1, dim=1)]
        return torch.cat(channels, dim=1)
    return functional.interpolate(images, size=(height, width), mode=mode)


class Noise(nn.Module):
    """Gaussian or Poisson noise of random strength, the same in all channels (grey) or not.

    The defaults are the paper's for the first round; its second round has sigma (1, 25) and poisson_scale (0.05, 2.5).

    gaussian_probability: that a batch gets Gaussian noise; otherwise it gets Poisson noise, 0 to 1
    sigma: smallest and largest standard deviation of Gaussian noise, in grey levels of 255, 0 or more
    poisson_scale: smallest and largest factor by which Poisson noise is multiplied, 0 or more
    grey_probability: that the noise of an image is grey, 0 to 1
    """

    def __init__(self, gaussian_probability: Probability = 0.5, sigma: NonNegativeRange = (1.0, 30.0),
                 poisson_scale: NonNegativeRange = (0.05, 3.0), grey_probability: Probability = 0.4):
        super().__init__()
        require_probability("noise.gaussian_probability", gaussian_probability)
        require_probability("noise.grey_probability", grey_probability)
        require_range("noise.sigma", sigma, 0)
        require_range("noise.poisson_scale", poisson_scale, 0)
        self.gaussian_probability, self.grey_probability = gaussian_probability, grey_probability
        self.sigma, self.poisson_scale = sigma, poisson_scale

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        gaussian = happens(generator, self.gaussian_probability)
        noise = torch.stack([(self._gaussian if gaussian else self._poisson)(image, generator) for image in images])
        return (images + noise).clamp(0, 1)

    def _gaussian(self, image: Tensor, generator: torch.Generator) -> Tensor:
        channels, height, width = image.shape
        shape = (1 if happens(generator, self.grey_probability) else channels, height, width)
        noise = torch.randn(shape, device=generator.device, generator=generator).to(image)
        return (noise * (uniform(generator, *self.sigma) / 255)).expand_as(image)

    def _poisson(self, image: Tensor, generator: torch.Generator) -> Tensor:
        source = _luma(image) if happens(generator, self.grey_probability) else image
        noise = poisson_noise(source, generator) * uniform(generator, *self.poisson_scale)
        return noise.expand_as(image)


def poisson_noise(image: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the noise Poisson(v x) / v - x of an image x [C, H, W] in [0, 1].

    A pixel counts photons, on average v of them if it is white. As in scikit-image, v is the number of different grey
    levels in the image, rounded up to a power of two.
    """
    levels = image.mul(255).round().clamp(0, 255)
    different = torch.bincount(levels.flatten().to(torch.uint8), minlength=256).count_nonzero().item()
    levels, white = levels / 255, 2 ** math.ceil(math.log2(different))
    photons = torch.poisson((levels * white).to(generator.device), generator=generator)
    return photons.to(image) / white - levels


class Jpeg(nn.Module):
    """JPEG compression by libjpeg with a random quality for each image and colour at half resolution.

    Why not basicsr's DiffJPEG: it approximates JPEG, without rounding to 8 bits between the steps and with another
    upsampling of colour, in order to be differentiable, which nothing here needs; and training would depend on basicsr.
    On a CPU libjpeg is the faster of the two. On a GPU it costs a copy of small images to the CPU and back.

    quality: smallest and largest quality, whole numbers from 1 to 100; the paper's are 30 and 95
    """

    def __init__(self, quality: Annotated[tuple[int, int], list_of(integer(1, 100), length=2)] = (30, 95)):
        super().__init__()
        require_range("jpeg.quality", quality, 1, 100)
        self.quality = quality

    def forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        qualities = [round(uniform(generator, *self.quality)) for _ in images]
        pixels = images.mul(255).round().clamp(0, 255).byte().cpu()
        decoded = [through_jpeg(image, quality) for image, quality in zip(pixels, qualities, strict=True)]
        return torch.stack(decoded).to(images) / 255


def through_jpeg(pixels: Tensor, quality: int) -> Tensor:
    """Encodes an image as JPEG and decodes it: uint8 [C, H, W] -> uint8 [C, H, W]."""
    channels_last = pixels.permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(channels_last.squeeze(2) if len(pixels) == 1 else channels_last).save(
        file, format="JPEG", quality=quality)
    with Image.open(file) as image:
        decoded = torch.from_numpy(numpy.array(image))
    return decoded[None] if decoded.ndim == 2 else decoded.permute(2, 0, 1)


def _luma(image: Tensor) -> Tensor:
    """Converts to grey by the weights of ITU-R BT.601: [C, H, W] -> [1, H, W]."""
    if len(image) == 1:
        return image
    weights = image.new_tensor((0.2989, 0.587, 0.114))
    return (weights[:, None, None] * image).sum(dim=0, keepdim=True)
