import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.metrics.extractors.preparing import in_colour, resize
from tests.metrics.extractors.examples import noise


@pytest.mark.parametrize(("before", "after"), [(64, 32), (28, 32), (100, 32), (33, 32)])
def test_resizing_is_pillows_bilinear(before, after):
    images = noise(1, 1, before).float()
    theirs = Image.fromarray(images[0, 0].numpy(), mode="F").resize((after, after), Image.Resampling.BILINEAR)
    torch.testing.assert_close(resize(images, after)[0, 0], torch.from_numpy(numpy.array(theirs)), atol=1e-3, rtol=0)


def test_images_of_the_size_are_left_as_they_are():
    images = noise().float()
    assert resize(images, 32) is images


def test_grey_becomes_three_equal_channels():
    images = noise(2, 1)
    assert torch.equal(in_colour(images), torch.cat([images] * 3, dim=1))
    colour = noise(2, 3)
    assert torch.equal(in_colour(colour), colour)
