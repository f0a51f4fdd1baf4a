"""Sizes, depth and transparency of larger pictures. Nearest networks show what went in."""

import numpy
import pytest
import torch
from PIL import Image

from saddlepoint.upscaling.enlarging import enlarge, replace_hidden_colours, resize, restore_flat_alpha, size_after
from saddlepoint.upscaling.picture import Picture, picture_of
from saddlepoint.upscaling.tiling import TiledUpscaler
from tests.data.formats import photo
from tests.upscaling.files import random_pixels
from tests.upscaling.networks import Nearest, Upscaler


def quiet(done: int, total: int) -> None: ...


def larger(picture: Picture, network=None, scale: float | None = None) -> Picture:
    return enlarge(picture, TiledUpscaler(network or Nearest(2)), scale, quiet)


@pytest.mark.parametrize("scale", [None, 2, 2.5, 1, 0.5, 3.7, 0.01])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [numpy.uint8, numpy.uint16])
def test_any_scale_gives_its_size_rounded_and_the_depth_stays(scale, channels, dtype):
    low = picture_of(random_pixels(channels, dtype, height=7, width=10))
    high = larger(low, Upscaler(2), scale)
    factor = 2 if scale is None else scale
    assert high.size == (max(1, round(10 * factor)), max(1, round(7 * factor)))
    assert high.colours.dtype == low.colours.dtype and (high.alpha is None) == (channels % 2 == 1)
    assert high.pixels().shape[2] == channels


def test_sizes_are_rounded_and_never_empty():
    assert size_after(100, 33, 2.5) == (250, 82) and size_after(3, 3, 0.1) == (1, 1)


@pytest.mark.parametrize(("dtype", "most"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_resizing_keeps_flat_pictures_flat_and_16_bits(dtype, most):
    for level in (0, 1, most // 3, most):
        flat = torch.full((3, 9, 7), level, dtype=torch.int32).to(dtype)
        assert (resize(flat, 5, 31).to(torch.int32) == level).all()


def test_resizing_is_antialiased():
    """A checkerboard made half as large is grey; picking pixels would leave it black or white."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    small = resize(board.to(torch.uint8)[None], 16, 16)
    assert (small[:, 2:-2, 2:-2].int() - 127).abs().max() <= 1


def test_resizing_agrees_with_pillow_on_a_smooth_picture():
    """Pillow's bicubic is antialiased with the same kernel; they differ at the border only."""
    picture = photo(60, 60)
    theirs = numpy.asarray(picture.resize((25, 25), Image.Resampling.BICUBIC)).astype(int)
    ours = picture_of(numpy.asarray(picture)).colours
    ours = resize(ours, 25, 25).permute(1, 2, 0).numpy().astype(int)
    assert numpy.abs(ours - theirs)[2:-2, 2:-2].max() <= 1


def red_disc_on_transparent_green() -> Picture:
    rows, columns = numpy.mgrid[:40, :40]
    inside = (rows - 20) ** 2 + (columns - 20) ** 2 < 100
    pixels = numpy.zeros((40, 40, 4), numpy.uint8)
    pixels[:, :, 1] = 255
    pixels[inside] = (255, 0, 0, 255)
    return picture_of(pixels)


def test_the_colour_of_what_is_transparent_does_not_bleed():
    """Through a network that blurs: without care, the disc gets a green rim."""
    class Blur(Nearest):
        receptive_field = 2

        def forward(self, low):
            return torch.nn.functional.avg_pool2d(super().forward(low), 9, 1, 4, count_include_pad=False)

    for scale in (None, 3):
        high = larger(red_disc_on_transparent_green(), Blur(2), scale)
        visible = high.alpha[0] > 0
        assert visible.sum() > 1000 and (high.alpha[0] < 255).logical_and(visible).any()  # it has soft edges
        assert high.colours[1][visible].max() == 0 and high.colours[0][visible].min() == 255


def test_hidden_places_take_the_nearest_visible_colour():
    colours = torch.tensor([[[10, 99, 99, 99, 99, 50]]], dtype=torch.uint16)
    alpha = torch.tensor([[[7, 0, 0, 0, 0, 65535]]], dtype=torch.uint16)
    assert replace_hidden_colours(colours, alpha).tolist() == [[[10, 10, 10, 50, 50, 50]]]
    nothing = torch.zeros_like(alpha)
    assert torch.equal(replace_hidden_colours(colours, nothing), colours)


def test_alpha_goes_through_the_network_and_is_computed_only_where_it_varies():
    alpha = random_pixels(1)
    pixels = numpy.concatenate([random_pixels(3), alpha], axis=2)
    high = larger(picture_of(pixels), Nearest(2))
    assert torch.equal(high.alpha[0], torch.from_numpy(alpha[:, :, 0]).repeat_interleave(2, 0).repeat_interleave(2, 1))
    network = Upscaler(2)
    pixels[:, :, 3] = 77
    flat = larger(picture_of(pixels), network)
    assert len(network.sizes) == 1 and (flat.alpha == 77).all() and flat.size == (10, 14)


def test_away_from_edges_what_was_clear_or_opaque_is_exactly_so():
    low = torch.zeros(1, 20, 30, dtype=torch.uint8)
    low[:, :, 15:] = 255
    veiled = torch.full((1, 50, 75), 9, dtype=torch.uint8)
    high = restore_flat_alpha(veiled, low)
    assert (high[:, :, :30] == 0).all() and (high[:, :, 45:] == 255).all()  # 3 input pixels from the edge, x2.5
    assert (high[:, :, 35:40] == 9).all()


def test_progress_counts_the_tiles_of_colours_and_transparency():
    seen = []
    picture = red_disc_on_transparent_green()
    enlarge(picture, TiledUpscaler(Nearest(2), tile=20), None, lambda done, total: seen.append((done, total)))
    assert seen == [(index, 8) for index in range(1, 9)]


def test_what_a_picture_says_about_itself_comes_along():
    low = picture_of(random_pixels(3), notes=("CMYK became RGB",))
    high = larger(low)
    assert high.metadata is low.metadata and high.notes == low.notes
