"""Tiles equal the whole image, in bounded memory. Networks are small and random, images float: nothing is rounded."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from saddlepoint.errors import RequestError
from saddlepoint.upscaling.tiling import LEAST_TILE, MOST_OVERLAP, TiledUpscaler, upscale_tiled, windows
from tests.upscaling.networks import Nearest, Upscaler

SIDES, TILES = st.integers(1, 50), st.integers(4, 40)
quick = settings(max_examples=40, deadline=None)


def noise(channels: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(channels, height, width, generator=torch.Generator().manual_seed(height * 1000 + width))


def whole(network, low):
    """The whole image at once, padded as the network needs it and cut after."""
    _, height, width = low.shape
    missing = (0, -width % network.multiple, 0, -height % network.multiple)
    with torch.no_grad():
        high = network(functional.pad(low[None], missing, mode="replicate"))[0]
    return high[:, :network.scale * height, :network.scale * width]


@quick
@given(SIDES, SIDES, TILES, st.sampled_from([(1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (2, 4)]),
       st.integers(1, 3))
def test_tiles_equal_the_whole_image_when_the_overlap_reaches_as_far_as_the_network(height, width, tile, kind, depth):
    scale, shuffled = kind
    network = Upscaler(scale, depth=depth, shuffled=shuffled)
    low = noise(3, height, width)
    torch.testing.assert_close(upscale_tiled(network, low, tile), whole(network, low), rtol=0, atol=1e-5)


def test_one_pixel_less_of_overlap_shows():
    """So the test above can fail."""
    network, low = Upscaler(depth=3), noise(3, 60, 60)
    assert (upscale_tiled(network, low, 20, overlap=2) - whole(network, low)).abs().max() > 1e-4


@quick
@given(SIDES, SIDES, TILES, st.integers(0, 20), st.sampled_from([1, 2, 4]))
def test_the_network_never_sees_more_than_the_tile_and_its_overlap(height, width, tile, overlap, multiple):
    network = Upscaler(shuffled=multiple)
    upscale_tiled(network, noise(3, height, width), tile, overlap)
    most = max(tile // multiple, 1) * multiple + 2 * math.ceil(overlap / multiple) * multiple
    assert all(max(sides) <= most for sides in network.sizes)
    assert len(set(network.sizes)) == 1  # and always the same shape


@quick
@given(st.integers(1, 500), st.integers(1, 100), st.integers(0, 40))
def test_windows_keep_every_pixel_once_with_the_overlap_around_it(length, tile, overlap):
    parts = windows(length, tile, overlap)
    assert [pixel for part in parts for pixel in range(part.first, part.last)] == list(range(length))
    for part in parts:
        assert part.start == 0 or part.first - part.start >= overlap
        assert part.stop == length or part.stop - part.last >= overlap
        assert 0 <= part.start <= part.first < part.last <= part.stop <= length
        assert part.stop - part.start <= tile + 2 * overlap


def test_a_network_that_reaches_far_gets_64_pixels_unless_asked():
    network = Upscaler()
    assert TiledUpscaler(network).overlap == network.receptive_field == 2
    network.receptive_field = 349
    assert TiledUpscaler(network).overlap == MOST_OVERLAP == 64
    assert TiledUpscaler(network, overlap=349).overlap == 349


@pytest.mark.parametrize(("dtype", "most"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_levels_come_out_as_they_went_in_rounded_and_clipped(dtype, most):
    levels = torch.arange(most + 1, dtype=torch.int32).view(1, -1, 256).expand(3, -1, -1)
    network = Nearest(2)
    high = upscale_tiled(network, levels.to(dtype), tile=100)
    assert high.dtype == dtype
    assert torch.equal(high.to(torch.int32), levels.repeat_interleave(2, 1).repeat_interleave(2, 2))
    network.weight.fill_(1.3)
    brighter = upscale_tiled(network, levels.to(dtype), tile=100).to(torch.int32)[:, ::2, ::2]
    assert (brighter - (levels.double() * 1.3).clamp(max=most)).abs().max() <= 0.51


@pytest.mark.parametrize(("network_channels", "channels"), [(3, 1), (1, 3)])
def test_grey_and_colour_go_through_networks_for_the_other(network_channels, channels):
    low = noise(channels, 9, 7)
    high = upscale_tiled(Nearest(2, network_channels), low)
    torch.testing.assert_close(high, low.repeat_interleave(2, 1).repeat_interleave(2, 2))


class Cramped(Upscaler):
    """Has memory for a limited number of pixels."""

    def __init__(self, most: int, error: Exception):
        super().__init__()
        self.most, self.error = most, error

    def forward(self, low):
        if low.shape[2] * low.shape[3] > self.most:
            raise self.error
        return super().forward(low)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError(),
                                   RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")])
def test_out_of_memory_the_tile_halves_and_the_picture_is_right(error, capsys):
    network, low = Cramped(30 * 30, error), noise(3, 90, 80)
    upscaler = TiledUpscaler(network, tile=64)
    high = upscaler(low)
    torch.testing.assert_close(high, whole(Upscaler(), low), rtol=0, atol=1e-5)
    assert capsys.readouterr().err == ("out of memory with tile=64: going on with tile=32\n"
                                       "out of memory with tile=32: going on with tile=16\n")
    upscaler(low)
    assert upscaler.tile == 16 and not capsys.readouterr().err


def test_memory_that_runs_out_halfway_leaves_no_tile_of_before():
    class Tiring(Upscaler):
        def forward(self, low):
            if len(self.sizes) == 3:
                self.sizes.append((0, 0))
                raise MemoryError
            return super().forward(low)

    low = noise(3, 90, 80)
    torch.testing.assert_close(upscale_tiled(Tiring(), low, tile=32), whole(Upscaler(), low), rtol=0, atol=1e-5)


def test_without_memory_for_the_least_tile_it_is_a_sentence_that_names_the_overlap():
    with pytest.raises(RequestError, match=f"tile={LEAST_TILE} with overlap=2: type a smaller overlap="):
        upscale_tiled(Cramped(0, MemoryError()), noise(3, 90, 80))


def test_other_errors_of_a_network_are_not_taken_for_want_of_memory():
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        upscale_tiled(Cramped(0, RuntimeError("shapes do not fit")), noise(3, 9, 9))


def test_an_output_that_is_not_finite_is_no_picture():
    network = Nearest()
    network.weight.data.fill_(float("nan"))
    with pytest.raises(RequestError, match="not finite.*weights="):
        upscale_tiled(network, noise(3, 9, 9))


def test_every_tile_is_announced():
    seen = []
    TiledUpscaler(Upscaler(), tile=20)(noise(3, 50, 30), lambda done, total: seen.append((done, total)))
    assert seen == [(index, 6) for index in range(1, 7)]
