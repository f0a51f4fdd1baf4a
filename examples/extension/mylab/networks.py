"""A generator that computes each pixel from its place. N images of C channels and S x S pixels."""

import torch
from torch import Tensor, nn


class CoordinateGenerator(nn.Module):
    """A network from (latents, x, y, distance from the centre) to a pixel: Stanley 2007,
    https://doi.org/10.1007/s10710-007-9028-8, as one MLP for all pixels.

    latent_dim: numbers of an image's latents, 1 or more
    channels: of the images, 1 (grey) or 3
    image_size: pixels a side, any number
    width: of each hidden layer, 1 or more
    depth: hidden layers, 1 or more
    """

    def __init__(self, latent_dim: int, channels: int, image_size: int, width: int = 64, depth: int = 3):
        super().__init__()
        self.latent_dim, self.channels, self.image_size = latent_dim, channels, image_size
        line = torch.linspace(-1, 1, image_size)
        y, x = torch.meshgrid(line, line, indexing="ij")
        places = torch.stack([x, y, (x.square() + y.square()).sqrt()], dim=-1).flatten(0, 1)
        self.register_buffer("places", places, persistent=False)  # [S * S, 3]
        self.of_latents, self.of_places = nn.Linear(latent_dim, width), nn.Linear(3, width, bias=False)
        hidden = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), nn.LeakyReLU(0.2))]
        self.layers = nn.Sequential(nn.LeakyReLU(0.2), *hidden, nn.Linear(width, channels), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, S, S] in [-1, 1]"""
        first = self.of_latents(latents).unsqueeze(1) + self.of_places(self.places)  # [N, S * S, width]
        pixels = self.layers(first).transpose(1, 2)
        return pixels.reshape(len(latents), self.channels, self.image_size, self.image_size)
