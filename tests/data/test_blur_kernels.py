import math
import sys

import numpy
import pytest
import torch
from torch.nn import functional

from saddlepoint.compat import basicsr
from saddlepoint.data import blur_kernels

SETTINGS = [(7, 0.2, 3.0, 0.7, 0.5), (13, 2.0, 0.6, -2.9, 1.0), (21, 3.0, 3.0, 0.0, 4.0), (21, 0.4, 2.5, 1.6, 1.7)]

if sys.version_info < basicsr.FIRST_PYTHON_WITHOUT:
    @pytest.mark.parametrize(("size", "sigma_x", "sigma_y", "angle", "beta"), SETTINGS)
    def test_shaped_kernels_are_basicsrs(size, sigma_x, sigma_y, angle, beta):
        reference = basicsr.module("data.degradations")
        place = size, sigma_x, sigma_y, angle
        pairs = [(blur_kernels.gaussian(*place), reference.bivariate_Gaussian(*place, isotropic=False)),
                 (blur_kernels.generalised_gaussian(*place, beta),
                  reference.bivariate_generalized_Gaussian(*place, beta, isotropic=False)),
                 (blur_kernels.plateau(*place, beta), reference.bivariate_plateau(*place, beta, isotropic=False))]
        for ours, expected in pairs:
            numpy.testing.assert_allclose(ours.numpy(), expected, atol=1e-12)

    @pytest.mark.parametrize(("size", "cutoff"), [(7, math.pi), (11, math.pi / 3), (21, math.pi / 5), (21, 2.0)])
    def test_sincs_are_basicsrs(size, cutoff):
        expected = basicsr.module("data.degradations").circular_lowpass_kernel(cutoff, size)
        numpy.testing.assert_allclose(blur_kernels.sinc(size, cutoff).numpy(), expected, atol=1e-6)

    def test_filtering_each_image_with_its_own_kernel_is_basicsrs():
        images, kernels = random_values(3, 3, 25, 31), random_values(3, 21, 21)
        expected = basicsr.module("utils.img_process_util").filter2D(images, kernels)
        torch.testing.assert_close(blur_kernels.filtered(images, kernels), expected)


def random_values(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def moments(kernel: torch.Tensor) -> tuple[float, float, float]:
    """Returns the variance along x, that along y, and the covariance."""
    line = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    x, y = line[None, :], line[:, None]
    return tuple((kernel * product).sum().item() for product in (x * x, y * y, x * y))


def test_a_gaussian_has_the_variances_it_was_asked_for_along_its_axes():
    assert moments(blur_kernels.gaussian(41, 3.0, 1.5, 0.0)) == pytest.approx((9, 2.25, 0), abs=1e-3)
    assert moments(blur_kernels.gaussian(41, 3.0, 1.5, math.pi / 2)) == pytest.approx((2.25, 9, 0), abs=1e-3)
    diagonal = ((9 + 2.25) / 2, (9 + 2.25) / 2, (9 - 2.25) / 2)  # to the right and downwards
    assert moments(blur_kernels.gaussian(41, 3.0, 1.5, math.pi / 4)) == pytest.approx(diagonal, abs=1e-3)


def test_the_exponent_1_makes_the_generalised_gaussian_a_gaussian():
    torch.testing.assert_close(blur_kernels.generalised_gaussian(13, 2.0, 1.0, 0.4, 1.0),
                               blur_kernels.gaussian(13, 2.0, 1.0, 0.4))


def test_a_large_exponent_makes_a_disc():
    x, y = blur_kernels._distances(21)
    disc = (torch.hypot(x, y) < 4.1).double()
    for kernel in (blur_kernels.generalised_gaussian(21, 4.1, 4.1, 0, 999), blur_kernels.plateau(21, 4.1, 4.1, 0, 999)):
        torch.testing.assert_close(kernel, disc / disc.sum(), atol=1e-4, rtol=0)


def test_a_sinc_passes_waves_below_its_cutoff_and_stops_those_above():
    kernel = blur_kernels.sinc(81, math.pi / 2)
    line = torch.arange(81, dtype=torch.float64) - 40
    for frequency, passed in ((0.3 * math.pi, 1), (0.7 * math.pi, 0)):
        assert (kernel * torch.cos(frequency * line)).sum().item() == pytest.approx(passed, abs=0.05)


def test_every_kernel_keeps_one_colour():
    for kernel in (blur_kernels.gaussian(7, 3, 1, 1), blur_kernels.generalised_gaussian(9, 3, 1, 1, 2),
                   blur_kernels.plateau(21, 3, 1, 1, 2), blur_kernels.sinc(15, 2)):
        images = torch.full((1, 2, 8, 9), 0.4)
        torch.testing.assert_close(blur_kernels.filtered(images, kernel[None]), images)


def test_a_single_one_in_the_centre_changes_nothing():
    images, kernel = random_values(2, 3, 5, 4), torch.zeros(2, 21, 21)
    kernel[:, 10, 10] = 1
    torch.testing.assert_close(blur_kernels.filtered(images, kernel), images)


def test_margins_are_torchs_reflection_where_torch_allows_them_and_mirrored_on_beyond():
    images = random_values(2, 1, 7, 9)
    assert torch.equal(blur_kernels.reflected(images, 5), functional.pad(images, (5, 5, 5, 5), mode="reflect"))
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert blur_kernels.reflected(row, 5)[0, 0, 5].tolist() == [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]
    assert blur_kernels.reflected(torch.ones(1, 1, 1, 1), 3).shape == (1, 1, 7, 7)


def as_one_convolution(images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Filters by one convolution with all of each kernel, zeros included."""
    count, channels, height, width = images.shape
    margin = kernels.shape[-1] // 2
    padded = images[..., *torch.meshgrid(*(mirrored(side, margin) for side in (height, width)), indexing="ij")]
    weights = kernels.float().repeat_interleave(channels, dim=0)[:, None]
    planes = padded.reshape(1, count * channels, height + 2 * margin, width + 2 * margin)
    return functional.conv2d(planes, weights, groups=count * channels).view_as(images)


def mirrored(length: int, margin: int) -> torch.Tensor:
    places = [*range(length), *range(length - 2, 0, -1)] or [0]
    return torch.tensor([places[place % len(places)] for place in range(-margin, length + margin)])


@pytest.mark.parametrize("shape", [(1, 3, 230, 171), (1, 1, 210, 211), (2, 3, 96, 101), (1, 3, 12, 9)])
@pytest.mark.parametrize("size", [1, 5, 9, 21])
def test_filtering_without_zeros_and_in_strips_is_one_convolution_to_the_bit(shape, size):
    """A kernel of `size` pixels in a square of 21."""
    images, kernels = random_values(*shape), random_values(shape[0], size, size)
    kernels = functional.pad(kernels / kernels.sum(), [(21 - size) // 2] * 4)
    assert torch.equal(blur_kernels.filtered(images, kernels), as_one_convolution(images, kernels))


def test_filtering_is_the_sum_of_the_definition():
    images, kernels = random_values(1, 3, 120, 110), random_values(1, 7, 7)
    padded = functional.pad(images, (3, 3, 3, 3), mode="reflect").double()
    expected = sum(padded[..., y:y + 120, x:x + 110] * kernels[0, y, x].double() for y in range(7) for x in range(7))
    torch.testing.assert_close(blur_kernels.filtered(images, kernels).double(), expected, atol=1e-5, rtol=1e-5)


def test_a_kernel_of_zeros_gives_black():
    assert not blur_kernels.filtered(random_values(1, 3, 9, 9), torch.zeros(1, 21, 21)).any()
