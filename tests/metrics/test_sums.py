"""Sums over images: in parts, weighted, saved and restored."""

import numpy as np
import pytest
import torch
from torch import Tensor

from saddlepoint.errors import RequestError
from saddlepoint.metrics.sums import CHUNK, Moments


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_equal(moments: Moments, expected: Moments) -> None:
    assert moments.count == expected.count
    torch.testing.assert_close(moments.tensors(), expected.tensors(), rtol=1e-13, atol=1e-10)


def test_mean_and_covariance_are_those_of_numpy():
    features = 3 * normal(100, 7, seed=0) + 10
    moments = Moments.of(features)
    np.testing.assert_allclose(moments.mean, features.double().numpy().mean(0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(features.double().numpy(), rowvar=False), atol=1e-12)


@pytest.mark.parametrize("size", [1, 7, 100, CHUNK, CHUNK + 1])
def test_batches_of_any_size_give_the_same(size):
    features, moments = normal(2 * CHUNK + 3, 5, seed=0) + 1, Moments(5)
    for batch in features.split(size):
        moments.update(batch)
    assert_equal(moments, Moments.of(features))


def test_two_parts_added_are_the_whole():
    features = normal(30, 5, seed=0) + 1
    first, second = Moments.of(features[:11]), Moments.of(features[11:])
    assert_equal(first + second, Moments.of(features))
    assert_equal(first, Moments.of(features[:11]))  # and stay what they are


def test_tensors_bring_moments_back_and_are_copies():
    moments = Moments.of(normal(30, 5, seed=0))
    saved = moments.tensors()
    restored = Moments.from_tensors(saved)
    restored.update(normal(3, 5, seed=1))
    assert_equal(Moments.from_tensors(saved), moments)
    assert restored.count == 33


def test_weights_repeat_images():
    features, weights = normal(2 * CHUNK, 3, seed=0), torch.randint(4, (2 * CHUNK,))
    assert_equal(Moments.weighted(features, weights), Moments.of(features.repeat_interleave(weights, dim=0)))


def test_features_that_are_not_finite_are_refused_and_nothing_is_added():
    features, moments = normal(CHUNK + 50, 3, seed=0), Moments(3)
    features[7, 1], features[7, 2], features[-1, 0] = torch.nan, torch.inf, -torch.inf
    with pytest.raises(RequestError, match=f"features of 2 of {CHUNK + 50} images are not finite"):
        moments.update(features)
    assert_equal(moments, Moments(3))
