"""Upscales images that are in memory already, as after sampling. N images of C channels, h x w pixels; s the scale."""

import torch
from torch import Tensor

from saddlepoint.upscaling.tiling import TiledUpscaler, only_to_use
from saddlepoint.upscaling.weights import load


class ImageUpscaler:
    """weights: as upscale.py takes them"""

    def __init__(self, weights: str):
        network, self.name, self.source = load(weights)
        self.upscaler = TiledUpscaler(only_to_use(network))

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [N, C, h, w] -> uint8 [N, C, s*h, s*w]; C as it was, whichever the network is for"""
        return torch.stack([self.upscaler(image) for image in images])


def upscale_images(images: Tensor, weights: str) -> Tensor:
    """uint8 [N, C, h, w] -> uint8 [N, C, s*h, s*w]; weights: as upscale.py takes them"""
    return ImageUpscaler(weights)(images)
