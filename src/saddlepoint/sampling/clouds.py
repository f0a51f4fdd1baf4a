"""Draws clouds of points as pictures. N points of D coordinates."""

from collections.abc import Iterable

import torch
from torch import Tensor

SIZE = 512  # pixels of a side
MARGIN = 0.05  # of a side, which stays empty around the points
PAPER, INK = 255.0, 40.0  # grey levels: of no point, of many


def joined(blocks: Iterable[Tensor]) -> Tensor:
    """Returns the points [N, D] of all blocks, on the CPU."""
    return torch.cat([block.cpu() for block in blocks])


def plane(points: Tensor) -> Tensor:
    """Returns what is shown of points [N, D]: the first two coordinates [N, 2], the second 0 where there is one."""
    return points[:, :2] if points.shape[1] > 1 else torch.cat([points, torch.zeros_like(points)], 1)


def limits(points: Tensor) -> tuple[Tensor, float]:
    """Returns the middle [2] and the side of the square that holds points [N, 2] and a margin around them."""
    lowest, highest = points.amin(0), points.amax(0)
    side = (highest - lowest).max().item() / (1 - 2 * MARGIN)
    return (lowest + highest) / 2, side or 1.0


def cloud(points: Tensor) -> Tensor:
    """Returns a picture of points [N, D], uint8 [1, SIZE, SIZE]: a dot of 3 x 3 pixels for each, the darker the more
    of them lie there. The second coordinate goes upwards."""
    shown = plane(points)
    middle, side = limits(shown)
    places = ((shown - middle) / side + 0.5).mul(SIZE).long().clamp(1, SIZE - 2)
    around = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))
    columns, rows = (places.unsqueeze(1) + around).flatten(0, 1).unbind(1)
    counts = torch.bincount((SIZE - 1 - rows) * SIZE + columns, minlength=SIZE * SIZE).view(1, SIZE, SIZE)
    darkness = counts.float().log1p()
    darkness = darkness / darkness.max().clamp(min=1)
    return (PAPER - (PAPER - INK) * darkness.sqrt()).round().to(torch.uint8)
