"""Resampling by 1-3-3-1, by torch's convolutions of every map."""

import pytest
import torch
from torch.nn import functional as F

from saddlepoint.config.image_sizes import Sides
from saddlepoint.networks.resampling import Blur, Doubling, Halving

ONE = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
KERNEL = torch.outer(ONE, ONE).expand(3, 1, 4, 4)


SIDES = Sides(8, 6)


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last], ids=["maps apart", "maps side by side"])
def maps(request):
    return torch.randn(2, 3, *SIDES, dtype=torch.float64).contiguous(memory_format=request.param)


def test_resampling_filters_each_map_with_1_3_3_1(maps):
    torch.testing.assert_close(Halving(SIDES)(maps), F.conv2d(maps, KERNEL, stride=2, padding=1, groups=3))
    torch.testing.assert_close(Doubling(SIDES)(maps),
                               F.conv_transpose2d(maps, 4 * KERNEL, stride=2, padding=1, groups=3))


@pytest.mark.parametrize("margin", [1, 2])
def test_a_blur_filters_behind_its_margin(maps, margin):
    torch.testing.assert_close(Blur(SIDES, margin, gain=2)(maps), 4 * F.conv2d(maps, KERNEL, padding=margin, groups=3))


def test_what_lies_in_channels_last_stays_so(maps):
    is_last = maps.is_contiguous(memory_format=torch.channels_last)
    for change in (Halving(SIDES), Doubling(SIDES), Blur(SIDES, 1)):
        assert change(maps).is_contiguous(memory_format=torch.channels_last) == is_last


def test_a_checkpoint_has_no_filters():
    assert not Halving(SIDES).state_dict()
