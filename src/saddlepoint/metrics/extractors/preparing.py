"""Converts images to the channels and the size that an extractor takes. N images of C channels and H x W pixels."""

import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.errors import RequestError

COLOURS = {1: "grey", 3: "RGB"}  # by number of channels


def resize(images: Tensor, image_size: int) -> Tensor:
    """Resizes images bilinearly with antialiasing: [N, C, H, W] float -> [N, C, image_size, image_size]. Images of that
    size are returned as they are.

    Shrinking without antialiasing skips pixels and changes scores (Parmar et al. 2022,
    https://arxiv.org/abs/2104.11222).
    """
    if images.shape[-2:] == (image_size, image_size):
        return images
    return functional.interpolate(images, size=(image_size, image_size), mode="bilinear", antialias=True)


def rule(image_size: int) -> str:
    """Returns the name of what `resize` does, for a protocol."""
    return f"bilinear, antialiased, to {image_size} x {image_size}"


def in_colour(images: Tensor) -> Tensor:
    """Returns images in three channels, which are equal if the images are grey: [N, 1 or 3, H, W] -> [N, 3, H, W]."""
    return images.expand(-1, 3, -1, -1)


def refuse_unless_grey_or_colour(extractor: str, channels: int) -> None:
    """Raises a RequestError if images have neither one channel nor three."""
    if channels not in COLOURS:
        raise RequestError(f"extractor={extractor} looks at grey or RGB images, and these have {channels} channels "
                           f"(data.channels={channels}): type data.channels=1 or data.channels=3")
