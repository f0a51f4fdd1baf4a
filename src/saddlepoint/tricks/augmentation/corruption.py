"""Parts of an image that are covered. N images of C channels and H x W pixels."""

import torch
from torch import Tensor


def cut_out(images: Tensor, x: Tensor, y: Tensor, width: float, height: float) -> Tensor:
    """Returns images [N, C, H, W] in which a rectangle is 0, the middle grey.

    x, y: of its centre [N], in pixels from the left and the upper border
    width, height: its sides in pixels; a pixel whose centre is inside is covered
    """
    down, across = (torch.arange(size, device=images.device, dtype=images.dtype) + 0.5 for size in images.shape[2:])
    in_rows = (down - y.unsqueeze(1)).abs() < height / 2  # [N, H]
    in_columns = (across - x.unsqueeze(1)).abs() < width / 2  # [N, W]
    return images.masked_fill((in_rows.unsqueeze(2) & in_columns.unsqueeze(1)).unsqueeze(1), 0.0)
