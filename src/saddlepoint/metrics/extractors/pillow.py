"""Resizes images as Pillow does, on whatever device they are: N images of C channels and H x W pixels, to S x S.

On a CPU Pillow itself does it. On a GPU, from where images would have to come back to the host one by one, its two
passes are products of square images with a matrix of its weights. In float64 they are exact for images of 8 bits, for
which Pillow rounds weights to whole multiples of 2^-22, and the result is Pillow's to the bit. Of images that are not
square, Pillow resizes rows or columns first, by a rule of its version; these do come back.
"""

import functools
import math
from collections.abc import Callable, Mapping

import numpy
import torch
from PIL import Image
from torch import Tensor

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
           "lanczos": Image.Resampling.LANCZOS}
REACHES = {"bilinear": 1, "bicubic": 2, "lanczos": 3}  # pixels from its centre at which a filter ends, when enlarging
PRECISION = 22  # bits of a weight in images of 8 bits


def resized_bytes(images: Tensor, image_size: int, name: str) -> Tensor:
    """Resizes uint8 images [N, C, H, W] -> uint8 [N, C, S, S] with the filter of this name."""
    if not _computes_passes(images):
        return _by_pillow(images, image_size, name)
    one = 1 << PRECISION
    return _passes(images, image_size, name,
                   lambda weights: (weights * one + torch.sign(weights) / 2).trunc(),
                   lambda sums: ((sums + one // 2) / one).floor().clamp(0, 255)).to(torch.uint8)


def resized_floats(images: Tensor, image_size: int, name: str) -> Tensor:
    """Resizes float32 images [N, C, H, W] -> float32 [N, C, S, S], each channel by itself, without rounding to 8
    bits."""
    if not _computes_passes(images):
        return _by_pillow(images, image_size, name)
    return _passes(images, image_size, name, lambda weights: weights, lambda sums: sums.float().double()).float()


def _computes_passes(images: Tensor) -> bool:
    """Returns whether the passes are computed here: on a GPU that has float64, for squares."""
    return images.device.type not in ("cpu", "mps") and images.shape[-1] == images.shape[-2]


def _by_pillow(images: Tensor, image_size: int, name: str) -> Tensor:
    """Resizes by Pillow itself, on the host."""
    size, by = (image_size, image_size), FILTERS[name]
    planes = images.cpu().flatten(0, 1).numpy()
    done = numpy.stack([numpy.asarray(Image.fromarray(plane).resize(size, by)) for plane in planes])
    return torch.from_numpy(done).view(*images.shape[:2], *size).to(images.device)


def _passes(images: Tensor, image_size: int, name: str, rounded: Callable[[Tensor], Tensor],
            after: Callable[[Tensor], Tensor]) -> Tensor:
    """Resizes the rows of squares, then the columns, in float64. `rounded` is applied to the weights, `after` to the
    sums of each pass."""
    weights = rounded(weights_of(images.shape[-1], image_size, name)).to(images.device)
    return after(weights @ after(images.double() @ weights.T))


@functools.lru_cache(maxsize=8)
def weights_of(before: int, after: int, name: str) -> Tensor:
    """Returns the weights with which `after` pixels are sums of `before` ones: [after, before] float64. A filter is
    stretched by the factor of a reduction, and its weights at the border are scaled to the sum 1."""
    factor = before / after
    stretch = max(factor, 1.0)
    reach = REACHES[name] * stretch
    weights = torch.zeros(after, before, dtype=torch.float64)
    for row in range(after):
        centre = (row + 0.5) * factor
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), before)
        values = [_SHAPES[name]((column - centre + 0.5) * (1 / stretch)) for column in range(first, last)]
        weights[row, first:last] = torch.tensor(values, dtype=torch.float64) / sum(values)
    return weights


def _triangle(x: float) -> float:
    return max(1 - abs(x), 0.0)


def _cubic(x: float, a: float = -0.5) -> float:
    """Keys' cubic convolution (Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711); torch has a = -0.75 where it
    does not antialias."""
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


_SHAPES: Mapping[str, Callable[[float], float]] = {"bilinear": _triangle, "bicubic": _cubic, "lanczos": _lanczos}
