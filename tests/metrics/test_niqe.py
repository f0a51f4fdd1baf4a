import sys

import pytest
import skimage.data
import torch

from saddlepoint.compat import basicsr
from saddlepoint.data import bicubic
from saddlepoint.errors import RequestError
from saddlepoint.metrics.niqe import niqe


def photograph(name: str = "chelsea") -> torch.Tensor:
    return torch.from_numpy(getattr(skimage.data, name)()[:208, :304].copy()).permute(2, 0, 1)


def test_what_has_fewer_than_two_blocks_is_refused_with_the_size_it_needs():
    with pytest.raises(RequestError, match="187 x 96 pixels .2 cut off at each side. .* at least 96 x 192"):
        niqe(torch.zeros(3, 100, 191, dtype=torch.uint8), 2)
    with pytest.raises(RequestError, match="at least 96 x 192"):
        niqe(torch.zeros(1, 95, 500, dtype=torch.uint8), 0)


if sys.version_info < basicsr.FIRST_PYTHON_WITHOUT:
    @pytest.mark.parametrize("name", ["chelsea", "coffee"])
    def test_it_is_the_number_basicsr_gives_for_the_same_picture_in_its_own_order_of_colours(name):
        bgr = getattr(skimage.data, name)()[:208, :304, ::-1]
        expected = basicsr.module("metrics.niqe").calculate_niqe(bgr, 4)
        assert niqe(photograph(name), 4) == pytest.approx(expected, abs=1e-6)

    def test_the_smallest_image_is_measured_and_a_pixel_less_is_not():
        image = photograph()[:, :96, :192]
        assert niqe(image, 0) > 0
        with pytest.raises(RequestError):
            niqe(image[..., 1:], 0)

    def test_blurred_and_noisy_photographs_look_less_natural_than_they_were():
        image = photograph()
        blurred = bicubic.by_scale(bicubic.reduce(image[None].float(), 4), 4)[0].round().clamp(0, 255).byte()
        noise = 30 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        noisy = (image + noise).round().clamp(0, 255).byte()
        assert niqe(image, 0) < 5 < min(niqe(blurred, 0), niqe(noisy, 0))

    def test_grey_images_are_measured_as_their_own_luma():
        grey = photograph()[1:2]
        expected = basicsr.module("metrics.niqe").calculate_niqe(grey[0].numpy(), 0, input_order="HW")
        assert niqe(grey, 0) == pytest.approx(expected, abs=1e-6)

    def test_a_picture_of_one_colour_is_refused_without_a_warning(recwarn):
        with pytest.raises(RequestError, match="more than one colour"):
            niqe(torch.full((3, 200, 200), 128, dtype=torch.uint8), 0)
        assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]
