"""Makes pairs for translation from single images: the source is computed from the target.

N images of C channels and H x W pixels, float32 in [-1, 1].
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated

import torch
import torch.nn.functional as functional
from torch import Generator, Tensor, nn

from saddlepoint.checks import at_least
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import Count, ImageSize, Positive, integer, number
from saddlepoint.data import bicubic
from saddlepoint.game.device_memory import upload

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of red, green and blue


class PairMaker(nn.Module, ABC):
    """Makes the source image of each target image. This is the class to derive a new kind of pairs from.

    A subclass defines `source`, `source_channels` and `words`. Its yaml file in conf/data/pair/ sets `pair` and
    `source_channels`. Random numbers come from the generator of each image alone, so that a pair depends on the seed
    and its position in the stream, and neither on its batch nor on the number of processes.
    """

    length = 1  # consecutive images of the data set that one pair is made of
    words: str  # what a source is, for people, e.g. "the target's edges"

    @abstractmethod
    def source_channels(self, channels: int) -> int:
        """Returns K, the channels of a source, for targets of so many."""

    @abstractmethod
    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        """images [N, C, H, W] -> sources [N, K, H, W]. `generators`: one for each image, on the CPU; they are made when
        they are asked for."""

    def forward(self, images: Tensor, generators: Iterable[Generator]) -> tuple[Tensor, Tensor]:
        """images [N, length * C, H, W] -> sources [N, K, H, W], targets [N, C, H, W]"""
        return self.source(images, generators), images

    def check(self, channels: int, image_size: ImageSize) -> None:
        """Refuses targets of which no source can be made, with a ValueError."""


class Edges(PairMaker):
    """Makes drawings of edges, dark on white, by Sobel's operator.

    With the luma Y in [0, 1] and Gx = Y * [-1 0 1; -2 0 2; -1 0 1] / 4, Gy its transpose, whose borders repeat the
    outermost pixels, the source is 1 - 2 min(1, gain sqrt(Gx^2 + Gy^2)). A step from black to white has the magnitude
    1.

    Sobel and Feldman 1968; pix2pix's own edges are of a trained detector (Xie and Tu 2015) and thinned.

    gain: the contrast of edges, above 0
    """

    words = "the target's edges"

    def __init__(self, gain: Positive = 2.0):
        super().__init__()
        _refuse_unless(gain > 0, "gain", gain, "above 0")
        self.gain = gain
        kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
        self.register_buffer("kernels", torch.stack([kernel, kernel.T]).unsqueeze(1), persistent=False)  # [2, 1, 3, 3]

    def source_channels(self, channels: int) -> int:
        return 1

    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        brightness = (luma(images) + 1) / 2
        if self.kernels.device != images.device:
            self.kernels = self.kernels.to(images.device)  # once: a copy at each step would be waited for
        slopes = functional.conv2d(functional.pad(brightness, (1, 1, 1, 1), mode="replicate"), self.kernels)
        return 1 - 2 * (self.gain * slopes.norm(dim=1, keepdim=True)).clamp(max=1)


class Grey(PairMaker):
    """Makes grey images by the luma of ITU-R BT.601, to be coloured again."""

    words = "the target in grey"

    def source_channels(self, channels: int) -> int:
        return 1

    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        return luma(images)

    def check(self, channels: int, image_size: ImageSize) -> None:
        if channels != 3:
            raise ValueError(f"data.pair=grey makes grey images of coloured ones, and data.channels={channels}: type "
                             "data.channels=3 with images that have colours, or another pair, e.g. data.pair=holes")


class Holes(PairMaker):
    """Sets a square at a random place to grey (0), to be painted in again.

    Pathak et al. 2016, https://arxiv.org/abs/1604.07379, whose square is in the middle and half as wide as the image.

    share: side of the square, of the image's side, above 0 and below 1
    """

    words = "the target with a hole"

    def __init__(self, share: Annotated[float, number(0, 1, above=True, below=True)] = 0.4):
        super().__init__()
        _refuse_unless(0 < share < 1, "share", share, "above 0 and below 1")
        self.share = share

    def source_channels(self, channels: int) -> int:
        return channels

    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        result, (height, width) = images.clone(), images.shape[2:]
        side = max(1, round(self.share * min(height, width)))
        for image, generator in zip(result, generators, strict=True):
            down, across = torch.rand(2, generator=generator).tolist()
            top, left = int(down * (height - side + 1)), int(across * (width - side + 1))
            image[:, top:top + side, left:left + side] = 0
        return result


class Noise(PairMaker):
    """Adds Gaussian noise, clipped to [-1, 1] as image files are.

    sigma: standard deviation, above 0; black and white differ by 2
    """

    words = "the target with noise"

    def __init__(self, sigma: Positive = 0.5):
        super().__init__()
        _refuse_unless(sigma > 0, "sigma", sigma, "above 0")
        self.sigma = sigma

    def source_channels(self, channels: int) -> int:
        return channels

    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        noise = torch.stack([torch.randn(images.shape[1:], generator=each) for each in generators])
        return (images + self.sigma * upload(noise, images.device)).clamp(-1, 1)


class Reduced(PairMaker):
    """Reduces images and enlarges them to their size again, both by MATLAB's bicubic (bicubic.py).

    factor: how many times smaller, a whole number of at least 2, at most the side of an image
    """

    words = "the target, reduced and enlarged again"

    def __init__(self, factor: Annotated[int, integer(2)] = 4):
        super().__init__()
        at_least(2, **{"pair.factor": factor})
        self.factor = factor

    def source_channels(self, channels: int) -> int:
        return channels

    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        return bicubic.resize(bicubic.reduce(images, self.factor), *images.shape[2:]).clamp(-1, 1)

    def check(self, channels: int, image_size: ImageSize) -> None:
        if self.factor > (side := min(sides_of(image_size))):
            raise ValueError(f"data.pair.factor={self.factor} is more than the {side} pixels of a side of an image "
                             "(data.image_size): type e.g. data.pair.factor=2")


class NextFrame(PairMaker):
    """Takes the last of some consecutive images as the target, and those before it, channel after channel, as the
    source. Mathieu et al. 2016 predict so, https://arxiv.org/abs/1511.05440, from four frames.

    frames: images before the target, at least 1
    """

    words = "the frames before the target"

    def __init__(self, frames: Count = 4):
        super().__init__()
        at_least(1, **{"pair.frames": frames})
        self.frames, self.length = frames, frames + 1

    def source_channels(self, channels: int) -> int:
        return self.frames * channels

    def forward(self, images: Tensor, generators: Iterable[Generator]) -> tuple[Tensor, Tensor]:
        channels = images.shape[1] // self.length
        return images[:, :-channels], images[:, -channels:]

    def source(self, images: Tensor, generators: Iterable[Generator]) -> Tensor:
        return self(images, generators)[0]


def luma(images: Tensor) -> Tensor:
    """Computes the brightness [N, 1, H, W] of images: of three channels by LUMA, else their mean."""
    if images.shape[1] != len(LUMA):
        return images.mean(dim=1, keepdim=True)
    return (images * _weights(images.dtype, images.device)).sum(dim=1, keepdim=True)


@functools.lru_cache(maxsize=8)
def _weights(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns LUMA as [3, 1, 1], copied to a device once."""
    with torch.inference_mode(False):  # it may meet autograd later
        return torch.tensor(LUMA, dtype=dtype, device=device).view(-1, 1, 1)


def _refuse_unless(holds: bool, setting: str, value: float, must_be: str) -> None:
    if not holds:
        raise ValueError(f"data.pair.{setting}={value:g} must be {must_be}")
