"""An extractor of random weights, which needs no training and no file. N images of C channels and H x W pixels, brought
to S x S."""

import hashlib
import math
from typing import Annotated

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from saddlepoint.config.rules import Seed, integer
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor
from saddlepoint.metrics.extractors.interpolation import Interpolation, interpolated, rule
from saddlepoint.metrics.extractors.preparing import in_colour, refuse_unless_grey_or_colour

WIDTH = 32  # maps of each convolution
GRID = 2  # rows and columns of the regions over which maps are averaged; a mean over the whole map would lose positions
SPATIAL_MAPS, SPATIAL_GRID = 7, 4  # of the spatial features: few maps in smaller regions


class RandomConvolutions(Extractor):
    """Three convolutions with random weights, followed by means over the four quarters of the image: 128 features.

    seed: fixes the weights
    image_size: S, to which images are brought, 8 or more
    interpolation: how they are brought to it

    Random filters, rectified and pooled, distinguish images without any training (Saxe et al. 2011,
    https://mlanthology.org/icml/2011/saxe2011icml-random/). Their features respond to noise, blur, brightness,
    positions and missing kinds of images, but not to what an image shows.
    """

    name = "random"
    num_features = WIDTH * GRID ** 2
    num_spatial = SPATIAL_MAPS * SPATIAL_GRID ** 2

    def __init__(self, seed: Seed, image_size: Annotated[int, integer(8)],
                 interpolation: Interpolation = "bilinear_antialiased"):
        super().__init__()
        if image_size < 8:
            raise ValueError(f"extractor.image_size={image_size} must be at least 8")
        self.image_size, self.interpolation = image_size, interpolation
        self.resize = rule(image_size, interpolation)
        with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global generator
            self.network = nn.Sequential(
                nn.Conv2d(3, WIDTH, 3, padding=1), nn.ReLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1), nn.ReLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1), nn.ReLU(),
                nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
        self.requires_grad_(False).eval()
        self.draw_weights(torch.Generator().manual_seed(seed))
        self.digest = self.digest_of_weights()
        self.network.to(memory_format=torch.channels_last)  # faster on a CPU

    def draw_weights(self, generator: torch.Generator) -> None:
        """Draws all weights from U(-b, b) with b = sqrt(6 / inputs), which keeps the size of activations (He et al.
        2015, section 2.2, https://arxiv.org/abs/1502.01852). Computed in this way, they and their digest are the same
        to the bit on every processor."""
        for layer in self.network:
            if isinstance(layer, nn.Conv2d):
                bound = math.sqrt(6 / layer.weight[0].numel())
                layer.weight.copy_((2 * torch.rand(layer.weight.shape, generator=generator) - 1) * bound)
                layer.bias.zero_()

    def digest_of_weights(self) -> str:
        content = hashlib.sha256()
        for parameter in self.network.parameters():  # in the order of the layers
            content.update(parameter.numpy().astype("<f4").tobytes())
        return content.hexdigest()

    def check(self, channels: int, image_size: int) -> None:
        refuse_unless_grey_or_colour(self.name, channels)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 128], no logits, spatial [N, 112]"""
        pixels = to_unit_range(interpolated(images, self.image_size, self.interpolation))
        maps = self.network[:-2](in_colour(pixels))
        spatial = functional.adaptive_avg_pool2d(maps[:, :SPATIAL_MAPS], SPATIAL_GRID)
        return Embedding(self.network[-2:](maps), None, spatial.flatten(1))
