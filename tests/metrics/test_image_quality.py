import math
import sys

import numpy
import pytest
import skimage.color
import skimage.data
import torch
from skimage.metrics import structural_similarity

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError
from saddlepoint.metrics import image_quality
from saddlepoint.metrics.image_quality import luma, measure, psnr, ssim


def photograph(name: str = "chelsea") -> torch.Tensor:
    return torch.from_numpy(getattr(skimage.data, name)()[:120, :161].copy()).permute(2, 0, 1)


def noisy(image: torch.Tensor, sigma: float) -> torch.Tensor:
    noise = sigma * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + noise).round().clamp(0, 255).byte()


def random_bytes(channels: int, seed: int) -> torch.Tensor:
    shape = (channels, 40, 33)
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def bgr(image: torch.Tensor) -> numpy.ndarray:
    return image.flip(0).permute(1, 2, 0).numpy()


PAIRS = {
    "photograph with little noise": lambda: (photograph(), noisy(photograph(), 2)),
    "photograph with much noise": lambda: (photograph("astronaut"), noisy(photograph("astronaut"), 40)),
    "noise": lambda: (random_bytes(3, 1), random_bytes(3, 2)),
    "grey noise": lambda: (random_bytes(1, 1), random_bytes(1, 2)),
}

if sys.version_info < basicsr.FIRST_PYTHON_WITHOUT:
    @pytest.mark.parametrize("pair", PAIRS)
    @pytest.mark.parametrize("scale", [0, 3, 4])
    def test_all_four_numbers_are_basicsrs(pair, scale):
        reference = basicsr.module("metrics.psnr_ssim")
        one, other = PAIRS[pair]()
        quality = measure(one, other, scale)
        for function, of_y, of_rgb in ((reference.calculate_psnr, quality.psnr_y, quality.psnr_rgb),
                                       (reference.calculate_ssim, quality.ssim_y, quality.ssim_rgb)):
            assert of_y == pytest.approx(function(bgr(one), bgr(other), scale, test_y_channel=True), abs=1e-6)
            assert of_rgb == pytest.approx(function(bgr(one), bgr(other), scale), abs=1e-6)


@pytest.mark.parametrize("pixels", [1, 1000, 161 * 50])
def test_strips_do_not_show_in_the_numbers(pixels, monkeypatch):
    one, other = photograph(), noisy(photograph(), 20)
    whole = measure(one, other, 4)
    y, x = (skimage.color.rgb2ycbcr(image.permute(1, 2, 0).numpy())[4:-4, 4:-4, 0] for image in (one, other))
    assert whole.ssim_y == pytest.approx(structural_similarity(  # its mean leaves out the same border
        y, x, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255), abs=1e-3)
    monkeypatch.setattr(image_quality, "STRIP", pixels)
    assert measure(one, other, 4) == pytest.approx(whole, abs=1e-9)


def test_an_image_and_itself_differ_by_nothing():
    assert measure(photograph(), photograph(), 4) == (math.inf, pytest.approx(1), math.inf, pytest.approx(1))


def test_an_offset_of_every_pixel_gives_the_psnr_of_that_offset():
    image = photograph().clamp(max=200)
    assert psnr(image, image + 5, 2) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(luma(image), luma(image + 5), 2) == pytest.approx(20 * math.log10(255 / (5 * 219 / 255)))


def test_between_two_flat_images_ssim_is_its_luminance_term():
    one, other = torch.full((3, 20, 20), 60, dtype=torch.uint8), torch.full((3, 20, 20), 90, dtype=torch.uint8)
    constant = (0.01 * 255) ** 2
    assert ssim(one, other, 0) == pytest.approx((2 * 60 * 90 + constant) / (60**2 + 90**2 + constant))


def test_white_has_a_luma_of_235_and_black_of_16():
    for value, expected in ((0, 16), (255, 235)):
        image = torch.full((3, 2, 2), value, dtype=torch.uint8)
        torch.testing.assert_close(luma(image), torch.full((1, 2, 2), float(expected), dtype=torch.float64))


def test_what_lies_in_the_border_does_not_count():
    one, other = photograph(), photograph()
    other[:, :4] = 0
    other[:, :, -4:] = 0
    assert measure(one, other, 4).psnr_rgb == math.inf
    assert measure(one, other, 3).psnr_rgb < 50


def test_the_order_of_the_two_does_not_matter():
    one, other = photograph(), noisy(photograph(), 10)
    assert measure(one, other, 2) == pytest.approx(measure(other, one, 2))


def test_images_that_the_window_does_not_fit_into_are_refused():
    image = torch.zeros(3, 18, 30, dtype=torch.uint8)
    with pytest.raises(RequestError, match="30 x 18 pixels is too small .* at least 19 x 19"):
        measure(image, image, 4)
    assert measure(image[:, :17, :17], image[:, :17, :17], 3).ssim_y == pytest.approx(1)


def test_a_border_that_leaves_nothing_is_refused():
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    with pytest.raises(RequestError, match="at least 9 x 9"):
        psnr(image, image, 4)


def test_images_of_two_sizes_or_kinds_are_refused():
    with pytest.raises(RequestError, match="30 x 20 pixels in 3 channels and 20 x 30 pixels in 1 channel "):
        psnr(torch.zeros(3, 20, 30), torch.zeros(1, 30, 20), 0)
