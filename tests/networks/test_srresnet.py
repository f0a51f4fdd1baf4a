"""SRResNet by count, by its layers written out and by reach (recipe B4); MSRResNet against basicsr's."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saddlepoint.compat import basicsr
from saddlepoint.networks.srresnet import MSRResNet, SRResNet
from tests.networks.counting import layer_names, trainable
from tests.networks.reach import farthest_influence, with_large_weights


def test_parameter_counts_are_the_papers_and_basicsrs():
    with torch.device("meta"):
        assert trainable(SRResNet()) == 1_549_462
        assert trainable(MSRResNet()) == 1_517_571


def test_the_layers_are_the_papers():
    block = ["Conv2d", "BatchNorm2d", "PReLU", "Conv2d", "BatchNorm2d"]
    assert layer_names(SRResNet(num_blocks=2, width=4)) == [
        "Conv2d", "PReLU", *block, *block, "Conv2d", "BatchNorm2d",
        "Conv2d", "PixelShuffle", "PReLU", "Conv2d", "PixelShuffle", "PReLU", "Conv2d"]


def test_the_network_is_the_layers_written_out_by_hand():
    torch.manual_seed(0)
    network = with_large_weights(SRResNet(2, scale=2, width=3, num_blocks=1, normalization="none"))
    low = torch.rand(2, 2, 5, 4)
    first, one, two, merge, up, last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    slopes = [layer.weight for layer in network.modules() if isinstance(layer, nn.PReLU)]
    head = F.prelu(F.conv2d(low, first.weight, first.bias, padding=4), slopes[0])
    inner = F.prelu(F.conv2d(head, one.weight, one.bias, padding=1), slopes[1])
    block = head + F.conv2d(inner, two.weight, two.bias, padding=1)
    maps = head + F.conv2d(block, merge.weight, merge.bias, padding=1)
    maps = F.prelu(F.pixel_shuffle(F.conv2d(maps, up.weight, up.bias, padding=1), 2), slopes[2])
    torch.testing.assert_close(network(low), F.conv2d(maps, last.weight, last.bias, padding=4))


def test_with_a_skip_the_layers_add_to_the_bilinear_enlargement():
    torch.manual_seed(0)
    network = SRResNet(width=4, num_blocks=1, normalization="none", skip=True)
    low = torch.rand(1, 3, 5, 4)
    enlarged = F.interpolate(low, (20, 16), mode="bilinear")
    alone = SRResNet(width=4, num_blocks=1, normalization="none")
    alone.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(low), alone(low) + enlarged)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "transposed"])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_every_scale_multiplies_the_sides(scale, upsampling):
    network = SRResNet(1, scale, width=4, num_blocks=1, upsampling=upsampling).eval()
    assert network(torch.rand(1, 1, 5, 1)).shape == (1, 1, 5 * scale, scale)


def test_transposed_convolutions_take_the_place_of_pixel_shuffles():
    names = layer_names(SRResNet(width=4, num_blocks=1, upsampling="transposed"))
    assert names.count("ConvTranspose2d") == 2 and "PixelShuffle" not in names


def test_normalisation_can_be_left_out():
    assert "BatchNorm2d" not in layer_names(SRResNet(width=4, num_blocks=1, normalization="none"))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_output_of_msrresnet_is_basicsrs_with_the_same_weights(scale, size, channels):
    torch.manual_seed(0)
    ours = with_large_weights(MSRResNet(channels, scale, width=8, num_blocks=2))
    theirs = basicsr.module("archs.srresnet_arch").MSRResNet(channels, channels, 8, 2, upscale=scale)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    low = torch.rand(2, channels, *size)
    torch.testing.assert_close(ours(low), theirs(low), atol=1e-5, rtol=0)


def test_msrresnet_starts_close_to_bilinear_upscaling():
    torch.manual_seed(0)
    low = torch.rand(1, 3, 8, 8)
    bilinear = F.interpolate(low, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(MSRResNet(width=16, num_blocks=1)(low), bilinear, atol=1e-3, rtol=0)


@pytest.mark.parametrize("network", [
    *(SRResNet(1, scale, width=4, num_blocks=blocks, upsampling=upsampling, normalization="none")
      for scale in (2, 3, 4, 8) for blocks in (1, 2) for upsampling in ("pixel_shuffle", "transposed")),
    SRResNet(1, 4, width=4, num_blocks=1),
    *(MSRResNet(1, scale, width=4, num_blocks=blocks) for scale in (2, 3, 4) for blocks in (1, 2)),
], ids=lambda network: f"{type(network).__name__} x{network.scale}, {network.receptive_field} pixels")
def test_receptive_field_is_exact(network):
    torch.manual_seed(0)
    assert farthest_influence(with_large_weights(network)) == network.receptive_field


@pytest.mark.parametrize(("network", "settings", "sentence"), [
    (SRResNet, {"scale": 6}, r"data\.scale=6 must be 3 or a power of two from 2"),
    (SRResNet, {"scale": 1}, r"data\.scale=1 must be 3 or a power of two from 2"),
    (SRResNet, {"scale": 2.0}, r"data\.scale=2\.0 must be a whole number"),
    (SRResNet, {"width": 0}, r"model\.generator\.width=0 must be a whole number"),
    (SRResNet, {"num_blocks": 0}, r"model\.generator\.num_blocks=0 must be a whole number"),
    (SRResNet, {"upsampling": "bicubic"}, r"model\.generator\.upsampling=bicubic must be one of pixel_shuffle, trans"),
    (SRResNet, {"normalization": "layer"}, r"model\.generator\.normalization=layer must be batch .* or none"),
    (MSRResNet, {"scale": 8}, r"data\.scale=8 must be 2, 3 or 4 for MSRResNet"),
    (MSRResNet, {"num_blocks": 0}, r"model\.generator\.num_blocks=0 must be a whole number"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(network, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        network(**settings)
