"""Resampling by 1-3-3-1, by torch's convolutions of every map."""

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.networks.resampling import Resampling, blurred

ONE = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
KERNEL = torch.outer(ONE, ONE).expand(3, 1, 4, 4)


def test_resampling_filters_each_map_with_1_3_3_1():
    maps = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(Resampling(doubles=False)(maps), F.conv2d(maps, KERNEL, stride=2, padding=1, groups=3))
    torch.testing.assert_close(Resampling(doubles=True)(maps),
                               F.conv_transpose2d(maps, 4 * KERNEL, stride=2, padding=1, groups=3))


@pytest.mark.parametrize("margin", [1, 2])
def test_a_blur_filters_behind_its_margin(margin):
    maps = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(blurred(maps, margin), F.conv2d(maps, KERNEL, padding=margin, groups=3))
