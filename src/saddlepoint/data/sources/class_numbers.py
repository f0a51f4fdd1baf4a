"""Checks of settings and files that say which classes the images of a data set have."""

import torch
from torch import Tensor

from saddlepoint.data.sources.opening import Damage


def require_number_of_classes(num_classes: int, expected: int, setting: str) -> None:
    """Refuses a `data.num_classes` that is neither 0 nor what another setting makes of it.

    setting: that other setting as it is typed, e.g. `data.labels=coarse`
    """
    if num_classes in (0, expected):
        return
    if expected == 0:
        raise ValueError(f"{setting} has images without classes, and data.num_classes={num_classes}: type "
                         "data.num_classes=0")
    raise ValueError(f"{setting} has {expected} classes, and data.num_classes={num_classes}: type "
                     f"data.num_classes={expected}, or 0 to train without classes")


def counted_from_one(labels: Tensor, num_classes: int) -> Tensor:
    """Returns labels [N] from 0 of those of a file, [N] uint8 from 1 to `num_classes`."""
    lowest, highest = torch.aminmax(labels)
    if lowest < 1 or highest > num_classes:
        raise Damage(f"it has labels from {lowest} to {highest}, and those of this set are 1 to {num_classes}")
    return labels.long() - 1
