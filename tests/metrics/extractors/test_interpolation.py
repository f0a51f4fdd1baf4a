"""Each way to resize, against whose it is: Pillow, clean-fid, and the formulas of TensorFlow's and torch's."""

import numpy
import pytest
import torch
from cleanfid.resize import make_resizer
from PIL import Image
from torch import Tensor

from saddlepoint.metrics.extractors import pillow
from saddlepoint.metrics.extractors.interpolation import INTERPOLATIONS, WAYS, interpolated, rule, way
from saddlepoint.metrics.extractors.random import RandomConvolutions
from tests.metrics.extractors.examples import noise

SIZES = [(32, 32, 45), (60, 60, 32), (28, 40, 32)]  # H, W, S
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
           "lanczos": Image.Resampling.LANCZOS}


def images_of(height: int, width: int) -> Tensor:
    return noise(2, 3, max(height, width))[:, :, :height, :width].contiguous()


def each_in_turn(images: Tensor, resize) -> Tensor:
    """Of a function of one image as numpy's [H, W, 3]"""
    return torch.stack([torch.from_numpy(numpy.array(resize(image.permute(1, 2, 0).numpy()))).permute(2, 0, 1)
                        for image in images]).float()


def linear(distance: numpy.ndarray) -> numpy.ndarray:
    return numpy.maximum(1 - abs(distance), 0)


def cubic(distance: numpy.ndarray, a: float = -0.75) -> numpy.ndarray:
    """Keys' kernel with the slope of torch and OpenCV"""
    near, d = abs(distance) <= 1, abs(distance)
    return numpy.where(near, (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)) * (d < 2)


def read_at(places: numpy.ndarray, before: int, kernel) -> numpy.ndarray:
    """The matrix [after, before] that reads pixels at these places, the border going on outside"""
    matrix = numpy.zeros((len(places), before))
    for row, place in enumerate(places):
        for column in range(int(numpy.floor(place)) - 2, int(numpy.floor(place)) + 4):
            matrix[row, min(max(column, 0), before - 1)] += kernel(numpy.array(place - column))
    return matrix


PLACES = {"tf1_bilinear": (lambda i, factor: i * factor, linear),
          "bilinear": (lambda i, factor: (i + 0.5) * factor - 0.5, linear),
          "bicubic": (lambda i, factor: (i + 0.5) * factor - 0.5, cubic)}


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize("name", PLACES)
def test_ways_without_antialiasing_read_at_their_places(name, height, width, size):
    place, kernel = PLACES[name]
    images = images_of(height, width)
    rows, columns = (read_at(place(numpy.arange(size), before / size), before, kernel) for before in (height, width))
    expected = torch.from_numpy(rows @ images.double().numpy() @ columns.T).float()
    torch.testing.assert_close(interpolated(images, size, name), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_torchs_antialiasing_is_pillows_on_floats_but_for_roundings(name, height, width, size):
    images = images_of(height, width)
    plane = Image.fromarray(images[0, 0].float().numpy())
    theirs = torch.from_numpy(numpy.array(plane.resize((size, size), FILTERS[name])))
    torch.testing.assert_close(interpolated(images, size, f"{name}_antialiased")[0, 0], theirs, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize("name", FILTERS)
def test_pillows_ways_are_pillow_on_pictures_to_the_bit(name, height, width, size):
    images = images_of(height, width)
    theirs = each_in_turn(images, lambda image: Image.fromarray(image).resize((size, size), FILTERS[name]))
    assert torch.equal(interpolated(images, size, f"pil_{name}"), theirs)


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
def test_the_clean_way_is_clean_fids_to_the_bit(height, width, size):
    images = images_of(height, width)
    theirs = each_in_turn(images, make_resizer("PIL", False, "bicubic", (size, size)))
    assert torch.equal(interpolated(images, size, "clean_bicubic"), theirs)


@pytest.mark.parametrize(("before", "after"), [(32, 224), (28, 299), (256, 224), (7, 8), (512, 32)])
@pytest.mark.parametrize("name", FILTERS)
def test_what_is_computed_on_a_gpu_is_pillows_to_the_bit(name, before, after, monkeypatch):
    images = noise(1, 3, before)
    bytes_, floats = (resized(images.to(dtype), after, name) for resized, dtype in (
        (pillow.resized_bytes, torch.uint8), (pillow.resized_floats, torch.float32)))
    monkeypatch.setattr(pillow, "_computes_passes", lambda images: True)
    assert torch.equal(pillow.resized_bytes(images, after, name), bytes_)
    ours = pillow.resized_floats(images.float(), after, name)
    torch.testing.assert_close(ours, floats, atol=1e-4, rtol=0)  # Pillow adds up in another order
    assert (ours != floats).double().mean() < 1e-3


def test_images_of_another_shape_come_back_to_pillow():
    on_a_gpu = torch.empty(1, 3, 32, 32, dtype=torch.uint8, device="meta")
    assert pillow._computes_passes(on_a_gpu) and not pillow._computes_passes(on_a_gpu[..., :30])
    assert pillow.resized_bytes(on_a_gpu, 224, "bicubic").shape == (1, 3, 224, 224)


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_images_of_the_size_are_left_as_they_are(name):
    images = noise()
    assert torch.equal(interpolated(images, 32, name), images.float())
    assert images.dtype == torch.uint8


def test_every_way_differs_from_every_other_in_result_and_words():
    black_and_white = (noise(1, 3, 60) > 127).to(torch.uint8) * 255  # so that bicubic filters leave 0 to 255
    small = {name: interpolated(black_and_white, 32, name) for name in WAYS}
    assert tuple(small) == INTERPOLATIONS
    assert len({rule(32, name) for name in WAYS}) == len(WAYS)
    for name, result in small.items():
        assert all((result - other).abs().max() > 0.1 for others, other in small.items() if others != name)


def test_an_extractor_resizes_in_the_way_that_is_set_and_says_so():
    images = noise(2, 3, 40)
    plain, other = (RandomConvolutions(0, 32, name) for name in ("bilinear_antialiased", "pil_lanczos"))
    resized = interpolated(images, 32, "pil_lanczos").to(torch.uint8)
    assert torch.equal(other(images).features, plain(resized).features)
    assert not torch.allclose(plain(images).features, other(images).features)
    assert plain.resize == "bilinear, antialiased, to 32 x 32"
    assert other.resize == "lanczos by Pillow, rounded to 8 bits, to 32 x 32"


def test_an_unknown_way_is_named_with_all_there_are():
    with pytest.raises(ValueError, match="extractor.interpolation=nearest must be one of tf1_bilinear, .*clean"):
        way("nearest")
