import hashlib
import math

import numpy
import pytest
import torch
import torch.nn.functional as functional

from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.random import RandomConvolutions
from tests.metrics.extractors.examples import noise


def made(seed: int = 0, image_size: int = 32) -> RandomConvolutions:
    return RandomConvolutions(seed, image_size)


def test_the_seed_decides_digest_and_features():
    images = noise()
    assert made(7).digest == made(7).digest != made(8).digest
    assert torch.equal(made(7)(images).features, made(7)(images).features)
    assert not torch.allclose(made(7)(images).features, made(8)(images).features)


def test_weights_are_a_mersenne_twisters_numbers_from_minus_to_plus_their_bound():
    """So they do not depend on the processor. numpy has the same twister; the lower 24 bits of a draw make a float."""
    bits = numpy.random.RandomState(5).randint(0, 2**32, size=32 * 27, dtype=numpy.uint32) & (2**24 - 1)
    uniform = (bits / 2**24).astype(numpy.float32).reshape(32, 3, 3, 3)
    expected = (2 * uniform - 1) * numpy.float32(math.sqrt(6 / 27))
    assert numpy.array_equal(made(5).network[0].weight.numpy(), expected)


def test_the_digest_is_that_of_the_bytes_of_all_weights_in_order():
    extractor = made(3)
    layers = [extractor.network[index] for index in (0, 2, 4)]
    content = b"".join(array.detach().contiguous().numpy().tobytes()
                       for layer in layers for array in (layer.weight, layer.bias))
    assert extractor.digest == hashlib.sha256(content).hexdigest()


def test_features_are_means_of_the_last_maps_over_each_quarter():
    extractor, images = made(), noise(2, 3)
    maps = images.float() / 127.5 - 1
    for index, stride in ((0, 1), (2, 2), (4, 2)):
        maps = functional.conv2d(maps, extractor.network[index].weight, stride=stride, padding=1).relu()
    quarters = [maps[:, :, rows, columns].mean((2, 3)) for rows in (slice(4), slice(4, 8))
                for columns in (slice(4), slice(4, 8))]
    torch.testing.assert_close(extractor(images).features, torch.stack(quarters, dim=2).flatten(1))


def test_spatial_features_are_means_of_seven_maps_over_sixteen_regions():
    extractor, images = made(), noise(2, 3)
    maps = extractor.network[:-2](images.float() / 127.5 - 1)
    regions = maps[:, :7].unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))  # 8 x 8 in regions of 2 x 2
    torch.testing.assert_close(extractor(images).spatial, regions.flatten(1))


@pytest.mark.parametrize("damage", [
    lambda images: (images.float() + 30 * torch.randn(images.shape)).clamp(0, 255),
    lambda images: functional.avg_pool2d(images.float(), 3, 1, 1),
    lambda images: images.roll(8, dims=3),
    lambda images: images // 2,
], ids=["noise", "blur", "moved", "darker"])
def test_what_happens_to_all_images_moves_their_mean_features_more_than_other_images_do(damage):
    torch.manual_seed(0)
    shapes = torch.zeros(2000, 1, 32, 32)
    for index, (top, left, side) in enumerate(torch.randint(4, 14, (2000, 3)).tolist()):
        shapes[index, 0, top:top + side, left:left + side] = 200
    one, other = shapes.to(torch.uint8).split(1000)
    extractor = made()
    means = [extractor(images.to(torch.uint8)).features.mean(0) for images in (one, other, damage(other))]
    assert (means[0] - means[2]).norm() > 2 * (means[0] - means[1]).norm()


def test_it_knows_no_classes():
    assert made()(noise()).logits is None and made().num_classes == 0


def test_every_feature_says_something():
    features = torch.cat([made()(noise(50, 3, size, seed=size)).features for size in (4, 8, 16, 32)])
    assert (features.std(0) > 1e-3).all()


@pytest.mark.parametrize("channels", [2, 4])
def test_other_than_grey_or_colour_is_refused(channels):
    with pytest.raises(RequestError, match=f"extractor=random looks at grey or RGB images, .*{channels} channels"):
        made().check(channels, 32)
    made().check(1, 28)
    made().check(3, 7)


def test_a_size_too_small_for_its_quarters_is_refused():
    with pytest.raises(ValueError, match="extractor.image_size=7 must be at least 8"):
        made(image_size=7)
    assert made(image_size=8)(noise(2, 3, 8)).features.shape == (2, 128)
