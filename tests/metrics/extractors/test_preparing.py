import torch

from saddlepoint.metrics.extractors.preparing import in_colour
from tests.metrics.extractors.examples import noise


def test_grey_becomes_three_equal_channels():
    images = noise(2, 1)
    assert torch.equal(in_colour(images), torch.cat([images] * 3, dim=1))
    colour = noise(2, 3)
    assert torch.equal(in_colour(colour), colour)
