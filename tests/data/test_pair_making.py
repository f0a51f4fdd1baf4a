"""What sources are: edges against another library, the rest in closed form."""

import numpy
import pytest
import torch
from PIL import Image
from scipy import ndimage

from saddlepoint.data.pair_making import Edges, Grey, Holes, NextFrame, Noise, Reduced, luma


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + number) for number in range(count)]


def images(count: int = 3, channels: int = 3, side: int = 12) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_edges_are_those_of_scipy(channels, gain):
    targets = images(channels=channels)
    source, target = Edges(gain)(targets, [])
    assert target is targets and source.shape == (3, 1, 12, 12)
    weights = numpy.array([0.299, 0.587, 0.114] if channels == 3 else [1.0])
    for pixels, found in zip(targets.double().numpy(), source.numpy(), strict=True):
        brightness = numpy.tensordot(weights, (pixels + 1) / 2, 1)
        magnitude = numpy.hypot(*(ndimage.sobel(brightness, axis, mode="nearest") / 4 for axis in (0, 1)))
        numpy.testing.assert_allclose(found[0], 1 - 2 * numpy.minimum(1, gain * magnitude), atol=1e-5)


def test_a_step_from_black_to_white_is_a_black_line_on_white():
    step = torch.full((1, 3, 8, 8), -1.0)
    step[..., 4:] = 1
    source, _ = Edges(gain=1.0)(step, [])
    expected = torch.ones(1, 1, 8, 8)
    expected[..., 3:5] = -1  # the columns on both sides of the step
    torch.testing.assert_close(source, expected)


def test_grey_is_that_of_pillow():
    pixels = numpy.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=numpy.uint8)
    target = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    source, _ = Grey()(target, [])
    expected = numpy.asarray(Image.fromarray(pixels).convert("L")).astype(float)
    assert numpy.abs((source[0, 0].numpy() + 1) * 127.5 - expected).max() <= 1  # Pillow rounds
    assert torch.equal(luma(target[:, :1]), target[:, :1])


def test_a_hole_is_one_grey_square_inside_the_image_and_every_place_is_as_likely():
    targets, places = images(2000, side=10), []
    source, target = Holes(share=0.4)(targets, generators(2000))
    assert torch.equal(target, targets) and source is not target
    for before, after in zip(targets, source, strict=True):
        rows, columns = (before != after).all(0).nonzero().T
        top, left = rows.min().item(), columns.min().item()
        assert len(rows) == 16 and (rows.max() - top, columns.max() - left) == (3, 3)
        assert (after[:, top:top + 4, left:left + 4] == 0).all()
        places.append(7 * top + left)
    counts = torch.tensor(places).bincount(minlength=49)  # 40.8 on average, standard deviation 6.3
    assert counts.min() > 15 and counts.max() < 70


def test_noise_has_its_standard_deviation_and_stays_within_what_a_file_can_hold():
    grey = torch.zeros(4, 3, 64, 64)
    source, _ = Noise(sigma=0.2)(grey, generators(4))
    assert source.std().item() == pytest.approx(0.2, rel=0.02) and abs(source.mean().item()) < 0.005
    assert len({*source[:, 0, 0, 0].tolist()}) == 4
    source, _ = Noise(sigma=2.0)(grey, generators(4))
    assert source.abs().max() == 1


@pytest.mark.parametrize("maker", [Holes(), Noise(), Edges(), Reduced(2)], ids=lambda maker: type(maker).__name__)
def test_a_source_depends_on_its_image_and_generator_alone(maker):
    targets = images(5)
    together, _ = maker(targets, generators(5))
    alone, _ = maker(targets[3:4], generators(1, seed=3))
    torch.testing.assert_close(together[3:4], alone)


def test_reducing_and_enlarging_keeps_what_is_linear_and_loses_what_is_fine():
    ramp = torch.linspace(-0.8, 0.8, 48).expand(1, 1, 48, 48)
    source, _ = Reduced(4)(ramp, [])
    torch.testing.assert_close(source[..., 16:32], ramp[..., 16:32])  # borders are mirrored
    stripes = torch.tensor([-1.0, 1.0]).repeat(24).expand(1, 1, 48, 48)
    source, _ = Reduced(4)(stripes, [])
    assert source[..., 16:32, 16:32].abs().max() < 0.05
    assert Reduced(3)(torch.rand(2, 3, 16, 16), [])[0].shape == (2, 3, 16, 16)


def test_the_next_frame_is_the_last_of_the_channels():
    film = torch.arange(5.0).view(1, 5, 1, 1).repeat_interleave(2, dim=1).expand(1, 10, 2, 2)  # 5 frames of 2 channels
    source, target = NextFrame(4)(film, [])
    assert target[0, :, 0, 0].tolist() == [4, 4] and source[0, :, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert NextFrame(4).length == 5 and NextFrame(4).source_channels(2) == 8


def test_channels_of_sources():
    assert [maker.source_channels(3) for maker in (Edges(), Grey(), Holes(), Noise(), Reduced())] == [1, 1, 3, 3, 3]


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: Edges(gain=0), "data.pair.gain=0 must be above 0"),
    (lambda: Holes(share=1.0), "data.pair.share=1 must be above 0 and below 1"),
    (lambda: Noise(sigma=-1), "data.pair.sigma=-1 must be above 0"),
    (lambda: Reduced(factor=1), "data.pair.factor=1 must be at least 2"),
    (lambda: NextFrame(frames=0), "data.pair.frames=0 must be at least 1"),
    (lambda: Grey().check(1, 32), "data.channels=1: type data.channels=3"),
    (lambda: Reduced(factor=64).check(1, 32), "data.pair.factor=64 is more than the 32 pixels"),
])
def test_settings_that_make_no_pairs_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
