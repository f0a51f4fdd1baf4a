import sys

import pytest
import skimage.data
import torch
from torch.nn import functional

from saddlepoint.compat import basicsr
from saddlepoint.data.sharpening import UnsharpMasking


def photographs() -> torch.Tensor:
    """Returns photographs without a pixel so near the threshold that rounding decides; one changes others by 3e-4."""
    pictures = (getattr(skimage.data, name)() for name in ("chelsea", "astronaut"))
    images = [torch.from_numpy(picture[60:160, 100:211].copy()) for picture in pictures]
    return torch.stack(images).permute(0, 3, 1, 2).contiguous().float() / 255


if sys.version_info < basicsr.FIRST_PYTHON_WITHOUT:
    @pytest.mark.parametrize(("radius", "weight", "threshold"), [(50, 0.5, 10), (21, 1.0, 3)])
    def test_it_is_what_real_esrgans_code_makes(radius, weight, threshold):
        reference = basicsr.module("utils.img_process_util").USMSharp(radius)
        expected = reference(photographs(), weight, threshold)
        sharpened = UnsharpMasking(radius, weight, threshold)(photographs())
        torch.testing.assert_close(sharpened, expected, atol=1e-5, rtol=0)
        assert (expected - photographs()).abs().max() > 0.05


def test_detail_below_the_threshold_stays_as_it_is():
    flat = 0.5 + 4 / 255 * torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    torch.testing.assert_close(UnsharpMasking()(flat), flat)


def test_an_edge_gains_contrast_on_both_sides_within_the_range_of_images():
    edge = torch.full((1, 1, 60, 60), 0.3)
    edge[..., 30:] = 0.7
    sharpened = UnsharpMasking()(edge)
    assert sharpened[0, 0, 30, 29] < 0.25 and sharpened[0, 0, 30, 30] > 0.75
    steep = UnsharpMasking(weight=20.0)(edge)
    assert steep.min() >= 0 and steep.max() <= 1


def test_images_smaller_than_the_window_are_sharpened_too():
    assert UnsharpMasking()(torch.rand(2, 3, 5, 9)).shape == (2, 3, 5, 9)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="radius=1 must be a whole number of pixels, at least 2"):
        UnsharpMasking(radius=1)
    with pytest.raises(ValueError, match="threshold=300"):
        UnsharpMasking(threshold=300)


@pytest.mark.parametrize("shape", [(1, 3, 200, 131), (4, 3, 64, 96), (1, 1, 190, 191)])
def test_blurring_in_strips_is_one_convolution_to_the_bit(shape):
    sharpen, images = UnsharpMasking(), torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    size = len(sharpen.window)
    planes = functional.pad(images, [size // 2] * 4, mode="reflect").flatten(0, 1)[:, None]
    along = functional.conv2d(planes, sharpen.window.view(1, 1, 1, size))
    expected = functional.conv2d(along, sharpen.window.view(1, 1, size, 1)).view_as(images)
    assert torch.equal(sharpen._blurred(images), expected)
