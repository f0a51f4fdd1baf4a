"""Distances a tile at a time, against exact arithmetic and the whole matrix at once."""

import gc
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from saddlepoint.metrics import distances
from saddlepoint.metrics.distances import memoised, nearest, radii, squared_distances
from saddlepoint.metrics.precision_recall import in_closed_balls, in_open_balls
from tests.metrics.features import normal, points


@pytest.mark.parametrize("num_features", [1, 7, 256, 2048])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_an_image_and_its_copy_are_0_apart_however_many_features(num_features, scale):
    images = scale * (100 + normal(50, num_features, seed=0)).double()
    assert (squared_distances(images, images.clone()).diagonal() == 0).all()


@given(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4), st.floats(-100, 100, width=32))
def test_they_are_those_of_exact_arithmetic(coordinates, offset):
    one, other = torch.tensor([coordinates[:2]]).double(), torch.tensor([coordinates[2:]]).double()
    one, other = one + offset, other + offset  # far from the origin, as features are
    exact = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(one[0].tolist(), other[0].tolist(), strict=True))
    squares = (one.square().sum() + other.square().sum()).item()
    assert squared_distances(one, other).item() == pytest.approx(float(exact), rel=1e-6, abs=1e-14 * squares + 1e-37)


def test_images_nearly_alike_are_ordered_rightly():
    """1 to 9 steps of 1e-4 from an image of length 100: squared, 1e-8 beside 1e4, which float32 cannot see."""
    steps = torch.arange(1, 10)[torch.randperm(9, generator=torch.Generator().manual_seed(0))]
    image = torch.full((1, 100), 10.0)
    near = image.repeat(9, 1).double()
    near[:, 0] += 1e-4 * steps
    assert squared_distances(image.double(), near)[0].argsort().equal(steps.argsort())


def test_radii_reach_to_the_nearest_others_on_a_line():
    """At 0, 1, 3, 7: the nearest other is 1, 1, 2, 4 away, the second 3, 2, 3, 6, the third 7, 6, 4, 7."""
    line = points((0,), (1,), (3,), (7,))
    for neighbours, expected in ((1, [1, 1, 2, 4]), (2, [3, 2, 3, 6]), (3, [7, 6, 4, 7])):
        assert radii(line, neighbours).sqrt().tolist() == expected


def test_a_copy_is_a_neighbour_and_an_image_is_none_of_itself():
    assert radii(points((2, 2), (5, 6), (2, 2)), 1).tolist() == [0, 25, 0]


def test_nearest_names_the_first_of_several_equally_near():
    squared, numbers = nearest(points((0,), (10,)), points((4,), (-3,), (3,), (9,)))
    assert squared.tolist() == [9, 1] and numbers.tolist() == [1, 3]


@pytest.mark.parametrize("tile", [1, 3, 7, 64])
def test_the_size_of_a_tile_does_not_matter(tile, monkeypatch):
    real, fake = normal(23, 5, seed=1), normal(17, 5, seed=2)
    table, (squared, numbers) = radii(real, 2), nearest(fake, real)
    closed, (balls, occupied) = in_closed_balls(real, fake, 2), in_open_balls(real, fake, 2)
    monkeypatch.setattr(distances, "TILE", tile)
    real, fake = real.clone(), fake.clone()  # nothing is memoised of these
    assert torch.equal(radii(real, 2), table)
    assert torch.equal(nearest(fake, real)[0], squared) and torch.equal(nearest(fake, real)[1], numbers)
    assert torch.equal(in_closed_balls(real, fake, 2), closed)
    assert all(map(torch.equal, in_open_balls(real, fake, 2), (balls, occupied)))


def test_they_agree_with_all_distances_at_once():
    real, fake = normal(60, 8, seed=3), normal(50, 8, seed=4)
    pairs = torch.cdist(real.double(), real.double(), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(radii(real, 4).sqrt().double(), pairs.sort(1).values[:, 4], rtol=1e-6, atol=0)
    pairs = torch.cdist(fake.double(), real.double(), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(nearest(fake, real)[0].sqrt().double(), pairs.min(1).values, rtol=1e-6, atol=0)
    assert torch.equal(nearest(fake, real)[1], pairs.argmin(1))


class _Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, torch.Tensor):
                self.elements = max(self.elements, each.numel())
        return result


def test_no_tensor_is_larger_than_the_features_or_a_tile(monkeypatch):
    monkeypatch.setattr(distances, "TILE", 16)
    real, fake = normal(300, 2, seed=5), normal(300, 2, seed=6)  # all pairs: 90,000
    with _Largest() as largest:
        in_closed_balls(real, fake, 3)
        in_open_balls(real, fake, 5)
        nearest(real, fake)
    assert 16 * 16 <= largest.elements <= 5 * 300


def test_a_result_is_remembered_until_a_tensor_is_written_to_or_gone():
    asked = []

    @memoised
    def total(tensor, factor):
        asked.append(factor)
        return factor * tensor.sum().item()

    tensor = torch.ones(3)
    assert [total(tensor, 2), total(tensor, 2), total(tensor, 5)] == [6, 6, 15] and asked == [2, 5]
    tensor.add_(1)
    assert total(tensor, 2) == 12 and asked == [2, 5, 2]
    with torch.inference_mode():
        tensor = torch.ones(4)
        assert total(tensor, 2) == total(tensor, 2) == 8 and asked == [2, 5, 2, 2]


def test_what_is_remembered_goes_with_its_tensor():
    class Result:
        alive = 0

        def __init__(self):
            Result.alive += 1

        def __del__(self):
            Result.alive -= 1

    make = memoised(lambda tensor: Result())
    tensor = torch.ones(3)
    make(tensor)
    assert Result.alive == 1
    del tensor
    gc.collect()
    assert Result.alive == 0
