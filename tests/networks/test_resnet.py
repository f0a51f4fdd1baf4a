"""The residual networks of WGAN-GP and SNGAN (recipes B2, B3)."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.networks.resnet import (
    ResNetDiscriminator,
    ResNetGenerator,
    down_block,
    first_block,
    same_block,
    up_block,
)
from tests.networks.counting import layer_names, trainable

LABELS = torch.zeros(4, dtype=torch.long)


def convolutions(branch: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)]


def convolved(maps, layer: nn.Conv2d):
    return F.conv2d(maps, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)


def mean_pooled(maps):
    return (maps[..., ::2, ::2] + maps[..., 1::2, ::2] + maps[..., ::2, 1::2] + maps[..., 1::2, 1::2]) / 4


def repeated(maps):
    return maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


@pytest.mark.parametrize(("network", "count"), [
    (lambda: ResNetGenerator(128, 3, 32, width=128), 1_204_483),
    (lambda: ResNetGenerator(128, 3, 32, width=256), 4_276_739),
    (lambda: ResNetDiscriminator(3, 32), 1_053_825),
    (lambda: ResNetDiscriminator(3, 32, pooling="sum"), 1_053_825),
])
def test_parameter_counts_are_the_papers(network, count):
    with torch.device("meta"):
        assert trainable(network()) == count


def test_the_first_block_pools_the_image_before_the_shortcuts_convolution():
    block, images = first_block(3, 5), torch.randn(4, 3, 8, 8)
    first, second = convolutions(block.residual)
    (shortcut,) = convolutions(block.shortcut)
    residual = mean_pooled(convolved(F.relu(convolved(images, first)), second))
    torch.testing.assert_close(block(images.clone()), residual + convolved(mean_pooled(images), shortcut))


def test_a_down_block_is_the_papers_with_the_shortcut_pooled_after_its_convolution():
    block, maps = down_block(3, 5, "none"), torch.randn(4, 3, 8, 8)
    first, second = convolutions(block.residual)
    (shortcut,) = convolutions(block.shortcut)
    residual = mean_pooled(convolved(F.relu(convolved(F.relu(maps), first)), second))
    torch.testing.assert_close(block(maps.clone()), residual + mean_pooled(convolved(maps, shortcut)))


def test_an_up_block_is_the_papers_with_the_shortcut_upsampled_before_its_convolution():
    block, maps = up_block(3, 5, "none"), torch.randn(4, 3, 4, 4)
    first, second = convolutions(block.residual)
    (shortcut,) = convolutions(block.shortcut)
    residual = convolved(F.relu(convolved(repeated(F.relu(maps)), first)), second)
    torch.testing.assert_close(block(maps.clone()), residual + convolved(repeated(maps), shortcut))


def test_a_block_of_one_size_adds_to_its_input_unchanged():
    block, maps = same_block(3, "none"), torch.randn(4, 3, 4, 4)
    nn.init.zeros_(convolutions(block)[-1].weight)
    nn.init.zeros_(convolutions(block)[-1].bias)
    torch.testing.assert_close(block(maps.clone()), maps, rtol=0, atol=0)


def test_layers_stand_in_the_papers_order():
    up = ["BatchNorm2d", "ReLU", "Upsample", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "Conv2d", "Upsample"]
    generator = layer_names(ResNetGenerator(8, 3, 32, width=2))
    assert generator == ["Linear", *up * 3, "BatchNorm2d", "ReLU", "Conv2d", "Tanh"]
    discriminator = ResNetDiscriminator(3, 32, width=2, normalization="layer")
    assert layer_names(discriminator.blocks[0].residual) == ["Conv2d", "ReLU", "Conv2d", "AvgPool2d"]
    for block, pooled in zip(discriminator.blocks[1:], [["AvgPool2d"], [], []], strict=True):
        assert layer_names(block.residual) == ["GroupNorm", "ReLU", "Conv2d"] * 2 + pooled


@pytest.mark.parametrize(("pooling", "places"), [("mean", 1), ("sum", 8 * 8)])
def test_the_logit_pools_the_last_features(pooling, places):
    discriminator, images = ResNetDiscriminator(3, 32, width=4, pooling=pooling), torch.randn(4, 3, 32, 32)
    last = discriminator.features(images, LABELS)[-1]
    assert last.shape == (4, 4, 8, 8)
    pooled = places * F.relu(last).flatten(2).mean(2)
    torch.testing.assert_close(discriminator(images, LABELS), discriminator.logit(pooled).squeeze(1))


@pytest.mark.parametrize(("initialisation", "variance"), [
    ("xavier", lambda inputs, outputs: 4 / (9 * (inputs + outputs))),
    ("he", lambda inputs, outputs: 2 / (9 * inputs)),
])
def test_residual_convolutions_start_wide_and_everything_else_at_gain_one(initialisation, variance):
    torch.manual_seed(0)
    discriminator = ResNetDiscriminator(3, 32, initialisation=initialisation)
    wide = [layer for block in discriminator.blocks for layer in convolutions(block.residual)]
    narrow = [layer for block in discriminator.blocks for layer in convolutions(block.shortcut)]
    for layer in wide:
        expected = math.sqrt(variance(layer.in_channels, layer.out_channels))
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
        assert layer.weight.abs().max() <= expected * math.sqrt(3) * 1.001  # uniform
    for layer in narrow:
        expected = math.sqrt(2 / (layer.in_channels + layer.out_channels))
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
    assert discriminator.logit.weight.abs().max() <= math.sqrt(6 / 129)
    assert all(not layer.bias.any() for layer in [*wide, *narrow, discriminator.logit])


def test_the_generators_projection_and_image_convolution_start_at_gain_one():
    torch.manual_seed(0)
    generator = ResNetGenerator(128, 3, 32, initialisation="he")
    assert generator.first.linear.weight.std().item() == pytest.approx(math.sqrt(2 / (128 + 2048)), rel=0.02)
    (image,) = convolutions(generator.image)
    assert image.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * (128 + 3))), rel=0.05)


@pytest.mark.parametrize(("image_size", "maps"), [
    (16, [8, 8]), (32, [8, 8, 8]), (64, [8, 8, 8, 4]), (256, [8, 8, 8, 4, 2, 1])])
def test_above_32_pixels_maps_halve_in_number_whenever_they_double_in_size(image_size, maps):
    with torch.device("meta"):
        generator = ResNetGenerator(8, 3, image_size, width=8)
        discriminator = ResNetDiscriminator(3, image_size, width=8)
        features = discriminator.features(torch.empty(4, 3, image_size, image_size), LABELS)
    assert [block.shortcut[0].out_channels for block in generator.blocks] == maps
    assert [values.shape[1] for values in features] == [*reversed(maps[1:]), 8, 8]
    halved = [image_size // 2 ** (i + 1) for i in range(len(maps) - 1)]
    assert [values.shape[2] for values in features] == [*halved, 8, 8]


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"image_size": 48}, r"data\.image_size=48 must be a power of two from 16 to 256"),
    ({"width": 6, "image_size": 128}, r"model\.discriminator\.width=6 must be a multiple of 4 at data\.image_size=128"),
    ({"width": 0}, r"model\.discriminator\.width=0 must be a whole number"),
    ({"channels": 0}, r"data\.channels=0 must be a whole number"),
    ({"pooling": "max"}, r"model\.discriminator\.pooling=max must be mean or sum"),
    ({"initialisation": "normal"}, r"model\.discriminator\.initialisation=normal must be xavier or he"),
    ({"normalization": "group"}, r"model\.discriminator\.normalization=group must be one of none, batch, layer"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ResNetDiscriminator(**({"channels": 3, "image_size": 32, "width": 8} | settings))


def test_the_generators_settings_carry_its_own_name():
    with pytest.raises(ValueError, match=r"model\.generator\.normalization=group"):
        ResNetGenerator(8, 3, 32, normalization="group")
