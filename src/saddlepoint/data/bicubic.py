"""MATLAB's bicubic imresize, with which super-resolution papers make their low-resolution images.

The kernel is Keys' cubic (1981, a = -0.5), stretched by 1/scale when the image shrinks (antialiasing). The image is
mirrored at its borders, and the weights of each output sum to 1. Pixel x of the output lies over
u = (x + 0.5) / scale - 0.5 of the input.

MATLAB has two calls, whose grids differ where scale * size is no whole number. A scale (`by_scale`, `reduce`) is kept
and the size is rounded up, so that the last pixel reaches over the border. A size (`resize`) is kept and the grid is
stretched to fit, with a scale of its own for each side.

N images, C channels, H x W pixels, floating point of any range; results overshoot that range at edges and are not
clamped.
"""

import functools
import math

import numpy
import torch
from torch import Tensor

BLOCK = 256  # outputs computed by one matrix product, so that work grows with the image and not with its square
_CUBIC_WIDTH = 4


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Computes imresize(images, [height width]): [N, C, H, W] -> [N, C, height, width]"""
    across = _along_last(images, width, width / images.shape[-1])
    return _along_last(across.mT, height, height / images.shape[-2]).mT.contiguous()


def by_scale(images: Tensor, scale: float) -> Tensor:
    """Computes imresize(images, scale): [N, C, H, W] -> [N, C, ceil(H * scale), ceil(W * scale)]"""
    height, width = (math.ceil(side * scale) for side in images.shape[-2:])
    across = _along_last(images, width, scale)
    return _along_last(across.mT, height, scale).mT.contiguous()


def reduce(images: Tensor, factor: float) -> Tensor:
    """Computes imresize(images, 1 / factor): [N, C, H, W] -> [N, C, ceil(H / factor), ceil(W / factor)]"""
    return by_scale(images, 1 / factor)


def reduced_uint8(pixels: Tensor, factor: float) -> Tensor:
    """Reduces a uint8 image [C, H, W] or [H, W] and returns it as uint8, rounded once and clipped.

    MATLAB's own uint8 path rounds after each of the two directions, which may change a pixel by one level.
    """
    return reduce(pixels.float(), factor).round_().clamp_(0, 255).to(torch.uint8)


def _along_last(images: Tensor, size: int, scale: float) -> Tensor:
    """Resizes the last dimension: [..., L] -> [..., size]."""
    blocks = _blocks(images.shape[-1], size, scale, images.dtype, images.device)
    parts = [images[..., first:last] @ weights for first, last, weights in blocks]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


@functools.lru_cache(maxsize=64)
def _blocks(length: int, size: int, scale: float, dtype: torch.dtype,
            device: torch.device) -> list[tuple[int, int, Tensor]]:
    """Returns (first, last, weights [last - first, outputs]) of every BLOCK outputs: they are the matrix product of
    inputs first .. last - 1 and the weights. The results are cached, since training resizes many images of one size."""
    columns, values = weights_of(length, size, scale)
    blocks = []
    for start in range(0, size, BLOCK):
        of_block = columns[start:start + BLOCK]  # [outputs, taps]
        first, last = int(of_block.min()), int(of_block.max()) + 1
        matrix = numpy.zeros((last - first, len(of_block)))
        outputs = numpy.arange(len(of_block))[:, None]
        numpy.add.at(matrix, (of_block - first, outputs), values[start:start + BLOCK])  # mirrored pixels count twice
        with torch.inference_mode(False):  # these tensors are cached and may meet autograd later
            blocks.append((first, last, torch.from_numpy(matrix).to(device, dtype)))
    return blocks


def weights_of(length: int, size: int, scale: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Returns the indices [size, taps] of the inputs, of `length`, that each output is a sum of, and their weights
    [size, taps]."""
    stretch = min(scale, 1.0)  # below 1, the kernel widens to remove what the smaller image cannot show
    width = _CUBIC_WIDTH / stretch
    centres = (numpy.arange(size) + 0.5) / scale - 0.5
    leftmost = numpy.floor(centres - width / 2).astype(int) + 1
    columns = leftmost[:, None] + numpy.arange(math.ceil(width) + 1)
    values = _cubic(stretch * (centres[:, None] - columns))
    return _mirrored(columns, length), values / values.sum(axis=1, keepdims=True)


def _cubic(distances: numpy.ndarray) -> numpy.ndarray:
    """Evaluates Keys' piecewise cubic with a = -0.5, whose error on smooth images is of third order."""
    x = numpy.abs(distances)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return numpy.where(x <= 1, near, numpy.where(x <= 2, far, 0.0))


def _mirrored(columns: numpy.ndarray, length: int) -> numpy.ndarray:
    """Maps indices outside of 0 .. length - 1 into it: ... 1 0 | 0 1 ... L-1 | L-1 L-2 ... An image smaller than the
    kernel is mirrored several times."""
    within = columns % (2 * length)
    return numpy.where(within < length, within, 2 * length - 1 - within)
