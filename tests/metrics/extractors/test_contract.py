"""What extractor.py promises, kept by every extractor."""

import pytest
import torch
from torch import Tensor

from saddlepoint.metrics.extractors.classifier import Classifier, Digits
from saddlepoint.metrics.extractors.clip import Clip
from saddlepoint.metrics.extractors.dinov2 import DinoV2
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.extractors.random import RandomConvolutions
from saddlepoint.metrics.extractors.stacked_digits import StackedDigits
from tests.metrics.extractors.examples import noise, write_classifier

CHANNELS = {"random": (1, 3), "digits": (1,), "classifier": (3,), "inception": (3,), "dinov2": (1, 3), "clip": (3,),
            "stacked_digits": (3,)}
SIZES = {"inception": (28,), "clip": (28,)}  # they take their time, and files of their own look at others


@pytest.fixture(params=CHANNELS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def built(kind, request, tmp_path) -> Extractor:
    if kind == "inception":
        return request.getfixturevalue("extractor")
    if kind == "dinov2":
        return DinoV2(weights=request.getfixturevalue("dinov2_file"))
    if kind == "clip":
        return Clip(request.getfixturevalue("clip_file"))
    if kind == "classifier":
        return Classifier(str(write_classifier(tmp_path / "tiny.safetensors", channels=3, padded_from=None)))
    if kind == "stacked_digits":
        return StackedDigits(channels=3)
    return Digits() if kind == "digits" else RandomConvolutions(seed=0, image_size=32)


def both(built: Extractor, images: Tensor) -> list[Tensor]:
    return [each for each in built(images) if each is not None]


def test_features_and_logits_have_the_promised_shapes_and_images_stay_as_they_were(built, kind):
    for channels in CHANNELS[kind]:
        for size in SIZES.get(kind, (28, 32, 45)):
            images = noise(2, channels, size)
            features, logits, spatial, modes = built(images)
            assert features.shape == (2, built.num_features) and features.dtype == torch.float32
            assert logits is None if not built.num_classes else logits.shape == (2, built.num_classes)
            assert spatial is None if not built.num_spatial else spatial.shape == (2, built.num_spatial)
            assert modes is None if not built.mode_rule else modes.shape == (2,) and modes.dtype == torch.int64
            assert features.isfinite().all()
            assert torch.equal(images, noise(2, channels, size))


def test_it_says_what_it_is(built):
    assert len(built.digest) == 64 and int(built.digest, 16) >= 0
    assert built.name and built.resize
    assert len(built.class_names) in (0, built.num_classes)


def test_an_image_does_not_see_its_batch(built, kind):
    images, others = noise(2, CHANNELS[kind][0]), noise(2, CHANNELS[kind][0], seed=1)
    others[0] = images[0]
    for alone, among_images, among_others in zip(both(built, images[:1]), both(built, images), both(built, others),
                                                 strict=True):
        assert torch.equal(among_images[0], among_others[0])
        torch.testing.assert_close(alone[0], among_images[0], rtol=1e-4, atol=1e-4 * float(alone.abs().max()))


def test_it_is_fixed(built, kind):
    images = noise(1, CHANNELS[kind][0])
    before = torch.get_rng_state()
    first, second = both(built, images), both(built.train(), images)
    assert all(map(torch.equal, first, second))
    assert torch.equal(before, torch.get_rng_state())
    assert not any(each.requires_grad for each in (*built.parameters(), *first))


def test_a_uniform_image_looks_the_same_at_every_size(built, kind):
    """28 x 28 aside, which some pad with black."""
    small, large = (both(built, torch.full((1, CHANNELS[kind][0], size, size), 180, dtype=torch.uint8))
                    for size in (16, 60))
    for seen, expected in zip(small, large, strict=True):
        torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("make", [lambda path: RandomConvolutions(0, 32), lambda path: Classifier(str(path))])
def test_building_one_draws_nothing_from_the_global_generator(make, tmp_path):
    path = write_classifier(tmp_path / "tiny.safetensors")
    before = torch.get_rng_state()
    make(path)
    assert torch.equal(before, torch.get_rng_state())
