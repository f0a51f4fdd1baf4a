"""Shows images in notebooks. N images of C channels and H x W pixels."""

import torch
from PIL import Image
from torch import Tensor

from saddlepoint.data import pixels
from saddlepoint.sampling import pictures


def grid(images: Tensor, columns: int | None = None) -> Image.Image:
    """Returns images [N, C, H, W], floats in [-1, 1] or uint8, as one picture, which a notebook shows as the value of a
    cell. C is 1 (grey) or 3 (RGB); of others the first three channels are shown, or the first. `columns`: images in a
    row, None: as square as possible."""
    levels = images if images.dtype == torch.uint8 else pixels.to_bytes(images)
    return pictures.as_pillow(pictures.grid(pictures.as_colours(levels), columns))
