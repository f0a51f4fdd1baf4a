import sys

import numpy
import pytest
import torch

from saddlepoint.compat.basicsr import FIRST_PYTHON_WITHOUT, module
from saddlepoint.data import bicubic


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


if sys.version_info < FIRST_PYTHON_WITHOUT:
    @pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 2, 4])
    @pytest.mark.parametrize(("height", "width"), [(48, 64), (51, 37), (33, 300)])
    def test_it_equals_basicsr_on_even_and_odd_sizes(scale, height, width):
        image = random_images(3, height, width)
        expected = module("utils.matlab_functions").imresize(image, scale)
        for dtype in (torch.float32, torch.float64):
            ours = bicubic.by_scale(image[None].to(dtype), scale)[0]
            torch.testing.assert_close(ours, expected.to(dtype), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("scale", [0.37, 1 / 3, 0.9, 1.5, 3])
    def test_where_basicsr_rounds_its_grid_to_float32_its_weights_in_float64_are_ours(scale):
        row = random_images(101).double()
        size = int(numpy.ceil(101 * scale))
        torch.set_default_dtype(torch.float64)
        try:
            weights, columns, before, after = module("utils.matlab_functions").calculate_weights_indices(
                101, size, scale, "cubic", 4, True)
        finally:
            torch.set_default_dtype(torch.float32)
        padded = torch.from_numpy(numpy.pad(row.numpy(), (before, after), mode="symmetric"))
        expected = (weights * padded[columns.long()]).sum(dim=1)
        ours = bicubic.by_scale(row[None, None, None].expand(1, 1, 3, 101), scale)[0, 0, 0]
        torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)


def test_halving_weighs_by_the_cubic_at_quarters():
    near = [1.5 * x**3 - 2.5 * x**2 + 1 for x in (0.25, 0.75)]
    far = [-0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 for x in (1.25, 1.75)]
    one_sided = torch.tensor([*near, *far], dtype=torch.float64) / 2  # stretched to twice its width
    impulse = torch.zeros(1, 1, 1, 32, dtype=torch.float64)
    impulse[..., 16] = 1
    expected = torch.zeros(16, dtype=torch.float64)
    expected[6:10] = one_sided[[3, 1, 0, 2]]  # pixel 16 is 3.5, 1.5, -0.5 and -2.5 pixels right of outputs 6 to 9
    torch.testing.assert_close(bicubic.resize(impulse, 1, 16)[0, 0, 0], expected)


def test_enlarging_reproduces_a_parabola_away_from_the_border():
    place = torch.arange(40, dtype=torch.float64)
    finer = (torch.arange(120, dtype=torch.float64) + 0.5) / 3 - 0.5
    ours = bicubic.by_scale((place**2)[None, None, None], 3)[0, 0, 0]
    torch.testing.assert_close(ours[6:-6], (finer**2)[6:-6])


@pytest.mark.parametrize("scale", [0.01, 0.37, 0.5, 1, 2.7])
@pytest.mark.parametrize("side", [1, 2, 7, 50])
def test_one_colour_stays_that_colour_at_every_size(scale, side):
    image = torch.full((1, 3, side, 2 * side), 0.3, dtype=torch.float64)
    resized = bicubic.by_scale(image, scale)
    torch.testing.assert_close(resized, torch.full_like(resized, 0.3))


def test_a_mirrored_image_gives_the_mirrored_result():
    images = random_images(2, 1, 30, 44).double()
    torch.testing.assert_close(bicubic.reduce(images.flip(-1), 4), bicubic.reduce(images, 4).flip(-1))
    torch.testing.assert_close(bicubic.reduce(images.mT, 3), bicubic.reduce(images, 3).mT)


def test_the_scale_1_changes_nothing():
    images = random_images(2, 3, 9, 11)
    torch.testing.assert_close(bicubic.by_scale(images, 1), images)


def test_a_scale_and_a_size_agree_where_the_size_divides_and_differ_where_it_does_not():
    even, odd = random_images(1, 1, 12, 16).double(), random_images(1, 1, 13, 17).double()
    torch.testing.assert_close(bicubic.reduce(even, 4), bicubic.resize(even, 3, 4))
    assert bicubic.reduce(odd, 4).shape == (1, 1, 4, 5)  # rounded up
    assert (bicubic.reduce(odd, 4) - bicubic.resize(odd, 4, 5)).abs().max() > 0.01


def test_outputs_beyond_one_block_equal_those_of_a_single_product(monkeypatch):
    images = random_images(1, 1, 70, 90).double()
    in_one = bicubic.by_scale(images, 2.3)
    bicubic._blocks.cache_clear()
    monkeypatch.setattr(bicubic, "BLOCK", 16)
    in_many = bicubic.by_scale(images, 2.3)
    bicubic._blocks.cache_clear()
    torch.testing.assert_close(in_many, in_one)


def test_a_batch_is_its_images_one_by_one():
    images = random_images(4, 3, 24, 20)
    one_by_one = torch.cat([bicubic.reduce(image[None], 4) for image in images])
    torch.testing.assert_close(bicubic.reduce(images, 4), one_by_one)


def test_gradients_are_those_of_finite_differences():
    images = random_images(1, 2, 5, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: bicubic.by_scale(x, 0.6), images)


def test_weights_first_used_in_inference_mode_serve_training_later():
    bicubic._blocks.cache_clear()
    images = random_images(1, 1, 8, 8)
    with torch.inference_mode():
        bicubic.reduce(images, 2)
    images.requires_grad_()
    bicubic.reduce(images, 2).sum().backward()
    torch.testing.assert_close(images.grad.sum(), torch.tensor(16.0))  # each output's weights have the sum 1


def test_bytes_are_rounded_and_never_wrap_around():
    edge = torch.zeros(3, 32, 32, dtype=torch.uint8)
    edge[:, :, 15:] = 255
    unclamped = bicubic.reduce(edge[None].double(), 2)[0]
    assert unclamped.min() < -1 and unclamped.max() > 256
    reduced = bicubic.reduced_uint8(edge, 2)
    assert reduced.dtype == torch.uint8
    torch.testing.assert_close(reduced.double(), unclamped.clamp(0, 255), atol=0.5001, rtol=0)


def test_grey_bytes_need_no_channel_axis():
    pixels = random_images(3, 17, 22).mul(255).round().byte()
    torch.testing.assert_close(bicubic.reduced_uint8(pixels[1], 3), bicubic.reduced_uint8(pixels, 3)[1])
