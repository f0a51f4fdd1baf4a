"""Converts between bytes and the images that networks see, and mirrors them.

N images of C channels and H x W pixels.
"""

import torch
from torch import Tensor


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1], x / 127.5 - 1; 0 and 255 land on -1 and 1 exactly."""
    return images.to(torch.float32).sub_(127.5).mul_(1 / 127.5)  # a division takes twice the time


def mirrored(images: Tensor, which: Tensor) -> Tensor:
    """images [N, C, H, W], which [N] bool: those are flipped left to right"""
    return torch.where(which.view(-1, 1, 1, 1), images.flip(-1), images)


def to_bytes(images: Tensor) -> Tensor:
    """[N, C, H, W] in [-1, 1] -> uint8, rounded to the nearest level and clipped"""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
