"""MATLAB's imresize, bicubic: how the low-resolution images of super-resolution papers are made.

Keys' cubic (1981, a = -0.5), stretched by 1/scale when the image shrinks (antialiasing), the image mirrored at its
borders, each weight row of sum 1. Pixel centres: u = (x + 0.5) / scale - 0.5 of the input lies under x of the output.

MATLAB has two calls, and their grids differ where scale * size is no whole number: a scale (`by_scale`, `reduce`) keeps
that scale and rounds the size up, so that the last pixel reaches over the border; a size (`resize`) stretches the grid
to fit, with its own scale for each side. N images, C channels, H x W pixels, floating point of any range; results
overshoot that range at edges and are not clamped.
"""

import functools
import math

import numpy
import torch
from torch import Tensor

BLOCK = 256  # outputs computed by one matrix product, so that work grows with the image and not with its square
_CUBIC_WIDTH = 4


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """imresize(images, [height width]): [N, C, H, W] -> [N, C, height, width]"""
    across = _along_last(images, width, width / images.shape[-1])
    return _along_last(across.mT, height, height / images.shape[-2]).mT.contiguous()


def by_scale(images: Tensor, scale: float) -> Tensor:
    """imresize(images, scale): [N, C, H, W] -> [N, C, ceil(H * scale), ceil(W * scale)]"""
    height, width = (math.ceil(side * scale) for side in images.shape[-2:])
    across = _along_last(images, width, scale)
    return _along_last(across.mT, height, scale).mT.contiguous()


def reduce(images: Tensor, factor: float) -> Tensor:
    """imresize(images, 1 / factor): `factor` times smaller, rounded up"""
    return by_scale(images, 1 / factor)


def reduced_uint8(pixels: Tensor, factor: float) -> Tensor:
    """uint8 [C, H, W] or [H, W] -> uint8, rounded once and clipped.

    MATLAB's own uint8 path rounds after each of the two directions, which may change a pixel by one level.
    """
    return reduce(pixels.float(), factor).round_().clamp_(0, 255).to(torch.uint8)


def _along_last(images: Tensor, size: int, scale: float) -> Tensor:
    """[..., L] -> [..., size]"""
    blocks = _blocks(images.shape[-1], size, scale, images.dtype, images.device)
    parts = [images[..., first:last] @ weights for first, last, weights in blocks]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


@functools.lru_cache(maxsize=64)
def _blocks(length: int, size: int, scale: float, dtype: torch.dtype,
            device: torch.device) -> list[tuple[int, int, Tensor]]:
    """For every BLOCK outputs: inputs first .. last - 1 and their weights [last - first, outputs]."""
    columns, values = weights_of(length, size, scale)
    blocks = []
    for start in range(0, size, BLOCK):
        of_block = columns[start:start + BLOCK]  # [outputs, taps]
        first, last = int(of_block.min()), int(of_block.max()) + 1
        matrix = numpy.zeros((last - first, len(of_block)))
        outputs = numpy.arange(len(of_block))[:, None]
        numpy.add.at(matrix, (of_block - first, outputs), values[start:start + BLOCK])  # mirrored pixels count twice
        with torch.inference_mode(False):  # what is kept here may meet autograd later
            blocks.append((first, last, torch.from_numpy(matrix).to(device, dtype)))
    return blocks


def weights_of(length: int, size: int, scale: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """-> which of `length` inputs each output is made of [size, taps], and their weights [size, taps]"""
    stretch = min(scale, 1.0)  # below 1, the kernel widens to remove what the smaller image cannot show
    width = _CUBIC_WIDTH / stretch
    centres = (numpy.arange(size) + 0.5) / scale - 0.5
    leftmost = numpy.floor(centres - width / 2).astype(int) + 1
    columns = leftmost[:, None] + numpy.arange(math.ceil(width) + 1)
    values = _cubic(stretch * (centres[:, None] - columns))
    return _mirrored(columns, length), values / values.sum(axis=1, keepdims=True)


def _cubic(distances: numpy.ndarray) -> numpy.ndarray:
    """Keys' piecewise cubic with a = -0.5: third-order exact on smooth images"""
    x = numpy.abs(distances)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return numpy.where(x <= 1, near, numpy.where(x <= 2, far, 0.0))


def _mirrored(columns: numpy.ndarray, length: int) -> numpy.ndarray:
    """... 1 0 | 0 1 ... L-1 | L-1 L-2 ..., as often as it takes for images smaller than the kernel"""
    within = columns % (2 * length)
    return numpy.where(within < length, within, 2 * length - 1 - within)
