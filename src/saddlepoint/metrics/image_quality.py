"""PSNR and SSIM of an enlarged image against the original, as in the tables of super-resolution papers.

They are measured on images rounded to 8 bits, with `border` pixels (the scale, by convention) cut off at each side,
both on the luma Y and on all channels. The two differ by several dB, so each name says which it is. The values equal
BasicSR's. They are computed in strips, so that a large photograph takes little more memory than its own pixels. C
channels (1 grey, 3 RGB), H x W pixels, values 0 to 255, of any dtype; computed in float64.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from saddlepoint.errors import RequestError

PEAK = 255.0
WINDOW = 11  # pixels; and its standard deviation:
SIGMA = 1.5
LUMA = (65.481, 128.553, 24.966)  # of red, green and blue
STRIP = 1 << 19  # pixels at once


class ImageQuality(NamedTuple):
    """The measures of one enlarged image."""

    psnr_y: float  # dB, inf where nothing differs
    ssim_y: float  # at most 1
    psnr_rgb: float
    ssim_rgb: float


def measure(one: Tensor, other: Tensor, scale: int) -> ImageQuality:
    """Returns the quality of one image against the other, both uint8 [C, H, W]; `scale` pixels are cut off at each
    side."""
    luma_one, luma_other = luma(one), luma(other)
    return ImageQuality(psnr(luma_one, luma_other, scale), ssim(luma_one, luma_other, scale),
                        psnr(one, other, scale), ssim(one, other, scale))


def luma(image: Tensor) -> Tensor:
    """Returns the luma Y of an image, as MATLAB's rgb2ycbcr defines it (ITU-R BT.601) but not rounded: RGB [3, H, W] ->
    [1, H, W] in [16, 235]. A grey image is returned as it is, in [0, 255]."""
    if len(image) == 1:
        return image.double()
    return 16 + sum(weight / PEAK * channel.double() for weight, channel in zip(LUMA, image.split(1), strict=True))


def psnr(one: Tensor, other: Tensor, border: int) -> float:
    """Returns 10 log10(255^2 / mean squared difference) in dB over all pixels and channels of [C, H, W]; inf if nothing
    differs."""
    one, other = _without_border(one, other, border, least_size=1)
    error = sum((strip.double() - its.double()).square().sum().item()
                for strip, its in zip(_strips(one), _strips(other), strict=True)) / one.numel()
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def ssim(one: Tensor, other: Tensor, border: int) -> float:
    """Returns the structural similarity of two images [C, H, W] (Wang et al. 2004,
    https://doi.org/10.1109/TIP.2003.819861), at most 1: a Gaussian window of 11 x 11 pixels that lies wholly within the
    image, K1 = 0.01, K2 = 0.03; the mean over windows, then over channels."""
    one, other = _without_border(one, other, border, least_size=WINDOW)
    return sum(_mean_similarity(*channels) for channels in zip(one, other, strict=True)) / len(one)


def _mean_similarity(x: Tensor, y: Tensor) -> float:
    """Returns the mean similarity over all windows of two channels [H, W]."""
    total = sum(_similarity(strip.double(), its.double()).sum().item()
                for strip, its in zip(_strips(x, WINDOW - 1), _strips(y, WINDOW - 1), strict=True))
    return total / ((x.shape[0] - WINDOW + 1) * (x.shape[1] - WINDOW + 1))


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """Returns the similarity at each window: two channels [H, W] -> [H - 10, W - 10]."""
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _window_means(torch.stack((x, y, x * x, y * y, x * y)))
    variances = mean_xx - mean_x**2 + mean_yy - mean_y**2
    covariance = mean_xy - mean_x * mean_y
    return ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)
            / ((mean_x**2 + mean_y**2 + c1) * (variances + c2)))


def _window_means(maps: Tensor) -> Tensor:
    """Returns Gaussian means over every window of 11 x 11 pixels: [..., H, W] -> [..., H - 10, W - 10]."""
    weights = [math.exp(-(offset / SIGMA) ** 2 / 2) for offset in range(-(WINDOW // 2), WINDOW // 2 + 1)]
    for dim in (-1, -2):
        places = maps.shape[dim] - WINDOW + 1
        maps = sum(weight / sum(weights) * maps.narrow(dim, start, places) for start, weight in enumerate(weights))
    return maps


def _without_border(one: Tensor, other: Tensor, border: int, least_size: int) -> tuple[Tensor, Tensor]:
    if one.shape != other.shape:
        raise RequestError(f"images of {_size(one)} and {_size(other)} cannot be compared: the sizes must be the same")
    height, width = one.shape[-2:]
    needed = least_size + 2 * border
    if min(height, width) < needed:
        raise RequestError(f"an image of {width} x {height} pixels is too small to be measured with {border} pixels "
                           f"cut off at each side: it must have at least {needed} x {needed}")
    return tuple(image[:, border:height - border, border:width - border] for image in (one, other))


def _strips(image: Tensor, shared: int = 0) -> Iterator[Tensor]:
    """Yields an image [..., H, W] in strips of full width; a strip and the next have `shared` rows in common."""
    rows = max(1, STRIP // image.shape[-1])
    for first in range(0, image.shape[-2] - shared, rows):
        yield image[..., first:first + rows + shared, :]


def _size(image: Tensor) -> str:
    channels, height, width = image.shape
    return f"{width} x {height} pixels in {channels} channel{'s' if channels > 1 else ''}"
