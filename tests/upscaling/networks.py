"""Upscaling networks small enough to see through."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Upscaler(nn.Module):
    """Random zero-padded convolutions with ReLUs between them, then a pixel shuffle.

    `shuffled`: pixels are first taken together in blocks of `shuffled` x `shuffled`, as RRDBNet does for x2, so sides
    must be multiples of it and a convolution reaches as many times farther.
    """

    def __init__(self, scale: int = 2, channels: int = 3, depth: int = 2, width: int = 4, shuffled: int = 1):
        super().__init__()
        self.scale, self.channels, self.multiple = scale, channels, shuffled
        self.receptive_field = depth * shuffled + shuffled - 1  # in the worst place of a block
        inputs, outputs = channels * shuffled ** 2, channels * (scale * shuffled) ** 2
        widths = [inputs, *[width] * (depth - 1), outputs]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            pairs = zip(widths, widths[1:], strict=False)
            self.layers = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in pairs)
        self.sizes: list[tuple[int, int]] = []  # that it was given

    def forward(self, low: Tensor) -> Tensor:
        self.sizes.append(tuple(low.shape[2:]))
        if any(side % self.multiple for side in low.shape[2:]):
            raise ValueError(f"sides must be multiples of {self.multiple}")
        maps = functional.pixel_unshuffle(low, self.multiple)
        for layer in self.layers[:-1]:
            maps = functional.relu(layer(maps))
        return functional.pixel_shuffle(self.layers[-1](maps), self.scale * self.multiple)


class Nearest(nn.Module):
    """Repeats pixels: what goes in can be read in what comes out."""

    multiple, receptive_field = 1, 0

    def __init__(self, scale: int = 2, channels: int = 3):
        super().__init__()
        self.scale, self.channels = scale, channels
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, low: Tensor) -> Tensor:
        return self.weight * functional.interpolate(low, scale_factor=self.scale)
