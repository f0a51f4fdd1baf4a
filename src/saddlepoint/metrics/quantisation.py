"""Brings a generator's images to 8 bits in the ways of published protocols. Each moves scores a little, so a protocol
says which it was. N images of C channels and H x W pixels."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from saddlepoint.data.pixels import to_bytes


class Quantisation(NamedTuple):
    """A way to 8 bits.

    to_bytes: images [N, C, H, W] in [-1, 1] -> uint8
    title: its name in a protocol
    """

    to_bytes: Callable[[Tensor], Tensor]
    title: str


def half_up(images: Tensor) -> Tensor:
    """Returns 127.5 x + 128 without its fraction, as StyleGAN's and EDM's code do: the nearest level, or the upper of
    two that are equally near."""
    return (images.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def truncated(images: Tensor) -> Tensor:
    """Returns 127.5 (x + 1) without its fraction, as ADM's and SNGAN's code do: half a level darker on average."""
    return ((images.float() + 1) * 127.5).clamp(0, 255).to(torch.uint8)


def stretched(images: Tensor) -> Tensor:
    """Returns the images stretched so that the darkest value of the batch becomes 0 and the brightest 255, as mimicry
    does. Dark or pale images of a generator gain contrast by it, which its score then owes to the protocol."""
    images = images.float()
    low, high = images.amin(), images.amax()
    return ((images - low) / (high - low).clamp(min=1e-8) * 255).round().to(torch.uint8)


QUANTISATIONS = {
    "rounded": Quantisation(to_bytes, "8 bits, rounded"),
    "half_up": Quantisation(half_up, "8 bits, 127.5 x + 128 truncated"),
    "truncated": Quantisation(truncated, "8 bits, 127.5 x + 127.5 truncated"),
    "stretched": Quantisation(stretched, "8 bits, each batch of 64 stretched from 0 to 255"),
}
