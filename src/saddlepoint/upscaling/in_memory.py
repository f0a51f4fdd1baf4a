"""Upscales images in memory, e.g. samples. N images of C channels, h x w pixels; s the scale."""

import torch
from torch import Tensor

from saddlepoint.upscaling.tiling import TiledUpscaler, prepare_for_inference
from saddlepoint.upscaling.weights import load


class ImageUpscaler:
    """A network that enlarges images in memory. `weights`: a name, file or run, as upscale.py takes it."""

    def __init__(self, weights: str):
        network, self.name, self.source = load(weights)
        self.upscaler = TiledUpscaler(prepare_for_inference(network))

    def __call__(self, images: Tensor) -> Tensor:
        """Enlarges images, uint8 [N, C, h, w], to uint8 [N, C, s*h, s*w]. C is 1 or 3, whichever the network is for."""
        return torch.stack([self.upscaler(image) for image in images])
