"""The Laplacian pyramid against scipy's filters, and networks that put images together level by level."""

import numpy
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from saddlepoint.networks.lapgan import LaplacianDiscriminator, LaplacianGenerator
from saddlepoint.networks.laplacian_pyramid import LaplacianPyramid

ROW = numpy.array([1, 4, 6, 4, 1]) / 16
LABELS = torch.zeros(3, dtype=torch.long)
LATENTS = 5 + 8 * 8 + 16 * 16  # five of the first level


def image(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def smoothed(pixels: numpy.ndarray, mode: str) -> numpy.ndarray:
    return scipy.ndimage.correlate1d(scipy.ndimage.correlate1d(pixels, ROW, 0, mode=mode), ROW, 1, mode=mode)


def generator(**more) -> LaplacianGenerator:
    torch.manual_seed(0)
    settings = {"latent_dim": LATENTS, "channels": 2, "image_size": 16, "levels": 3, "coarse_widths": [6], "width": 4}
    return LaplacianGenerator(**settings | more)


def discriminator(**more) -> LaplacianDiscriminator:
    torch.manual_seed(0)
    settings = {"channels": 2, "image_size": 16, "levels": 3, "coarse_widths": [6], "width": 4}
    return LaplacianDiscriminator(**settings | more)


def test_reducing_is_scipys_filter_at_every_second_pixel():
    pixels = image(2, 3, 12, 8)
    reduced = LaplacianPyramid(3).double().reduce(pixels)
    for place in numpy.ndindex(2, 3):
        expected = smoothed(pixels[place].numpy(), "nearest")[::2, ::2]
        numpy.testing.assert_allclose(reduced[place].numpy(), expected, atol=1e-7)


def test_expanding_is_four_times_scipys_filter_of_pixels_with_zeros_between():
    pixels = image(1, 2, 6, 5)
    expanded = LaplacianPyramid(2).double().expand(pixels)
    assert expanded.shape == (1, 2, 12, 10)
    for channel in range(2):
        apart = numpy.zeros((16, 14))  # one pixel more on each side, as the border goes on
        apart[::2, ::2] = numpy.pad(pixels[0, channel].numpy(), 1, mode="edge")
        expected = 4 * smoothed(apart, "constant")[2:-2, 2:-2]
        numpy.testing.assert_allclose(expanded[0, channel].numpy(), expected, atol=1e-7)


def test_one_colour_stays_what_it_is_in_both_directions():
    pyramid, grey = LaplacianPyramid(1), torch.full((1, 1, 8, 8), 0.25)
    torch.testing.assert_close(pyramid.reduce(grey), grey[..., :4, :4])
    torch.testing.assert_close(pyramid.expand(grey), torch.full((1, 1, 16, 16), 0.25))


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 1, 28, 28), (2, 1, 8, 12)])
def test_the_levels_of_an_image_are_the_image(shape):
    pyramid, pixels = LaplacianPyramid(shape[1]), image(*shape).float()
    (small,), *finer = pyramid.bands(pixels, 3)
    assert small.shape[2:] == (shape[2] // 4, shape[3] // 4)
    torch.testing.assert_close(pyramid.reconstruct(small, [difference for difference, _ in finer]), pixels, rtol=0,
                               atol=3e-7)
    for difference, low in finer[-1:]:
        torch.testing.assert_close(difference + low, pixels, rtol=0, atol=2e-7)


def test_a_generator_adds_what_each_level_makes_to_the_enlarged_level_before():
    network = generator().eval()
    latents = torch.randn(3, LATENTS)
    small = network.levels[0](latents[:, :5], LABELS)
    assert small.shape == (3, 2, 4, 4)
    middle_low = network.pyramid.expand(small)
    middle = (middle_low + network.levels[1](latents[:, 5:69], middle_low, LABELS)).clamp(-1, 1)
    low = network.pyramid.expand(middle)
    whole = (low + network.levels[2](latents[:, 69:], low, LABELS)).clamp(-1, 1)
    torch.testing.assert_close(network(latents, LABELS), whole)


def test_levels_that_make_no_difference_leave_the_enlarged_small_image():
    network = generator().eval()
    for level in network.levels[1:]:
        torch.nn.init.zeros_(level.layers[-1].weight)
    latents = torch.randn(3, LATENTS)
    small = network.levels[0](latents[:, :5], LABELS)
    torch.testing.assert_close(network(latents, LABELS), network.pyramid.expand(network.pyramid.expand(small)))


@pytest.mark.parametrize("shown", ["image", "difference"])
def test_a_level_is_shown_the_sum_or_both_apart(shown):
    level = discriminator(shown=shown, dropout=0.0).levels[1].eval()
    difference, low = torch.randn(3, 2, 8, 8), torch.randn(3, 2, 8, 8)
    logits = level(difference, low, LABELS)
    moved = level(difference + 1, low - 1, LABELS)  # the same sum
    assert torch.allclose(logits, moved, atol=1e-5) is (shown == "image")


def test_the_logit_of_an_image_is_the_sum_of_its_levels_logits():
    network, pixels = discriminator().eval(), image(3, 2, 16, 16).float()
    (small,), *finer = network.pyramid.bands(pixels, 3)
    expected = network.levels[0](small, LABELS) + sum(
        level(*parts, LABELS) for level, parts in zip(network.levels[1:], finer, strict=True))
    torch.testing.assert_close(network(pixels, LABELS), expected)
    assert [len(values) for values in network.features(pixels, LABELS)] == [3] * 5  # one hidden layer, two and two


def test_a_class_changes_its_own_images_and_scores_at_every_level():
    made, judge = generator(num_classes=6).eval(), discriminator(num_classes=6).eval()
    latents, pixels, other = torch.randn(3, LATENTS), image(3, 2, 16, 16).float(), torch.tensor([0, 4, 0])
    parts = [(latents[:, :5],), (latents[:, 5:69], pixels[..., ::2, ::2]), (latents[:, 69:], pixels)]
    for level, given in zip(made.levels, parts, strict=True):
        changes = (level(*given, other) - level(*given, LABELS)).abs().flatten(1).amax(1)
        assert changes[1] > 1e-4 and changes[[0, 2]].max() == 0
    for level, given in zip(judge.levels, judge.pyramid.bands(pixels, 3), strict=True):
        changes = (level(*given, other) - level(*given, LABELS)).abs()
        assert changes[1] > 1e-4 and changes[[0, 2]].max() == 0


@pytest.mark.parametrize(("settings", "message"), [
    ({"latent_dim": 320}, r"model.latents.size=320 must be more than 320.*type model.latents.size=420"),
    ({"image_size": 18}, r"data.image_size=18 must be a multiple of 4 for model.generator.levels=3: type "
                         r"data.image_size=(16|20)"),
    ({"levels": 1}, "model.generator.levels=1 must be a whole number of at least 2"),
    ({"kernel_size": 4}, "model.generator.kernel_size=4 must be 3, 5 or 7"),
])
def test_what_makes_no_pyramid_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        generator(**settings)
