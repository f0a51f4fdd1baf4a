"""Changes of colour, all of them in one matrix for each image.

A transformation is a matrix [N, 4, 4] that maps (red, green, blue, 1) of a pixel in [-1, 1] to its new colour. N images
of C channels and H x W pixels.
"""

import math

import torch
from torch import Tensor

from saddlepoint.tricks.augmentation.geometry import matrices

LUMA = 1 / math.sqrt(3)  # each element of the axis of grey colours


def brighter(by: Tensor) -> Tensor:
    """Returns the matrices [N, 4, 4] that add a number [N] to all channels."""
    return matrices(((1.0, 0.0, 0.0, by), (0.0, 1.0, 0.0, by), (0.0, 0.0, 1.0, by), (0.0, 0.0, 0.0, 1.0)), by)


def contrasted(by: Tensor) -> Tensor:
    """Returns the matrices [N, 4, 4] that multiply all channels by a number [N]."""
    return matrices(((by, 0.0, 0.0, 0.0), (0.0, by, 0.0, 0.0), (0.0, 0.0, by, 0.0), (0.0, 0.0, 0.0, 1.0)), by)


def along_luma(grey: Tensor, others: Tensor) -> Tensor:
    """Returns the matrices [N, 4, 4] that multiply what is grey in a colour, and all that is not, by a number [N] each:
    saturation is (1, s), and a flip of luma is (-1, 1)."""
    on, off = others + (grey - others) / 3, (grey - others) / 3
    return matrices(((on, off, off, 0.0), (off, on, off, 0.0), (off, off, on, 0.0), (0.0, 0.0, 0.0, 1.0)), grey)


def hue_turned(angle: Tensor) -> Tensor:
    """Returns the matrices [N, 4, 4] that turn colours about the axis of grey ones by an angle [N] in radians
    (Rodrigues' formula)."""
    cosine, sine = angle.cos(), angle.sin()
    on, off = cosine + (1 - cosine) / 3, (1 - cosine) / 3
    plus, minus = off + sine * LUMA, off - sine * LUMA
    return matrices(((on, minus, plus, 0.0), (plus, on, minus, 0.0), (minus, plus, on, 0.0), (0.0, 0.0, 0.0, 1.0)),
                    angle)


def recoloured(images: Tensor, matrix: Tensor) -> Tensor:
    """images [N, C, H, W], matrix [N, 4, 4] -> images [N, C, H, W]

    Of grey images (C = 1) the three channels are equal, before and, in their mean, after: hue and saturation change
    nothing.
    """
    if images.shape[1] == 1:
        matrix = matrix[:, :3].mean(1, keepdim=True)  # [N, 1, 4]
        return images * matrix[:, :, :3].sum(2).view(-1, 1, 1, 1) + matrix[:, :, 3].view(-1, 1, 1, 1)
    return torch.baddbmm(matrix[:, :3, 3:], matrix[:, :3, :3], images.flatten(2)).view(images.shape)
