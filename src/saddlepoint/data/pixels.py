"""Converts between bytes and the images of networks, and mirrors images.

N images of C channels and H x W pixels.
"""

import torch
from torch import Tensor


def to_unit_range(images: Tensor) -> Tensor:
    """Converts uint8 to float32 in [-1, 1], as x / 127.5 - 1; 0 and 255 become exactly -1 and 1."""
    return images.to(torch.float32).sub_(127.5).mul_(1 / 127.5)  # a division takes twice the time


def mirrored(images: Tensor, flip: Tensor) -> Tensor:
    """Returns images [N, C, H, W], flipped left to right where `flip` [N] is True."""
    return torch.where(flip.view(-1, 1, 1, 1), images.flip(-1), images)


def to_bytes(images: Tensor) -> Tensor:
    """Converts images [N, C, H, W] in [-1, 1] to uint8, rounded to the nearest level and clipped."""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
