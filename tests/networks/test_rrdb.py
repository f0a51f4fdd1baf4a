"""RRDBNet against basicsr's, by count, by value and by reach (recipe B5)."""

import pytest
import torch
from torch import nn

from saddlepoint.compat import basicsr
from saddlepoint.networks.rrdb import RRDBNet
from tests.networks.counting import trainable
from tests.networks.reach import farthest_influence, with_large_weights

SMALL = {"width": 8, "growth": 4, "num_blocks": 2}


def theirs(ours: RRDBNet, scale: int) -> nn.Module:
    network = basicsr.module("archs.rrdbnet_arch").RRDBNet(ours.channels, ours.channels, scale, num_feat=8,
                                                           num_block=2, num_grow_ch=4)
    network.load_state_dict(ours.state_dict(), strict=True)
    return network.eval()


@pytest.mark.parametrize(("settings", "count"), [
    ({}, 16_697_987), ({"num_blocks": 6}, 4_467_779), ({"scale": 2}, 16_703_171)])
def test_parameter_counts_are_those_of_the_published_weights(settings, count):
    with torch.device("meta"):
        assert trainable(RRDBNet(**settings)) == count


@pytest.mark.parametrize("scale", [4, 2, 1])
@pytest.mark.parametrize("size", [(4, 4), (8, 20), (36, 12)])
@pytest.mark.parametrize("channels", [1, 3])
def test_output_is_basicsrs_with_the_same_weights(scale, size, channels):
    torch.manual_seed(0)
    ours, low = with_large_weights(RRDBNet(channels, scale, **SMALL)), torch.rand(2, channels, *size)
    reference = theirs(ours, scale)(low)
    torch.testing.assert_close(ours(low), reference, atol=1e-5, rtol=0)
    with torch.inference_mode():
        torch.testing.assert_close(ours(low), reference, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_inference_mode_changes_the_time_and_not_the_numbers(precision):
    """Where autocast asks for bfloat16 it gets it there too."""
    torch.manual_seed(0)
    ours, low = with_large_weights(RRDBNet(**SMALL)), torch.rand(2, 3, 20, 14)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        with torch.no_grad():
            expected = ours(low)
        with torch.inference_mode():
            torch.testing.assert_close(ours(low), expected, atol=1e-6, rtol=0)
    assert expected.dtype == precision


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (17, 9)])
def test_any_size_goes_through_scale_4(size):
    torch.manual_seed(0)
    ours, low = with_large_weights(RRDBNet(**SMALL)), torch.rand(1, 3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(ours(low), theirs(ours, 4)(low), atol=1e-5, rtol=0)


def test_gradients_are_basicsrs():
    torch.manual_seed(0)
    ours, low = with_large_weights(RRDBNet(**SMALL)), torch.rand(2, 3, 6, 5)
    reference = theirs(ours, 4)
    for network in (ours, reference):
        network.train()
        network(low).square().mean().backward()
    for parameter, expected in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, atol=1e-6, rtol=1e-4)


def test_dense_blocks_start_a_tenth_as_wide_as_kaiming_and_without_bias():
    torch.manual_seed(0)
    for name, layer in RRDBNet(num_blocks=1).body.named_modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.in_channels * 9
            assert layer.weight.std().item() == pytest.approx(0.1 * (2 / fan_in) ** 0.5, rel=0.05), name
            assert not layer.bias.any()


@pytest.mark.parametrize(("scale", "by_hand"), [(4, 2 + 15 * 23 + 2), (2, 2 * 349), (1, 4 * 349)])
def test_reach_of_23_blocks_is_the_number_of_convolutions_passed(scale, by_hand):
    with torch.device("meta"):
        assert RRDBNet(scale=scale).receptive_field == by_hand


@pytest.mark.parametrize("scale", [4, 2, 1])
def test_receptive_field_is_exact(scale):
    torch.manual_seed(0)
    network = with_large_weights(RRDBNet(1, scale, width=4, growth=2, num_blocks=1))
    assert farthest_influence(network) == network.receptive_field


@pytest.mark.parametrize(("scale", "size"), [(2, (4, 5)), (1, (6, 8))])
def test_refuses_an_image_it_cannot_fold(scale, size):
    with pytest.raises(ValueError, match=rf"{size[0]} x {size[1]} pixels .* multiple of {4 // scale}, so pad it"):
        RRDBNet(scale=scale, **SMALL)(torch.rand(1, 3, *size))


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"scale": 3}, r"data\.scale=3 must be 4, 2 or 1 for RRDBNet"),
    ({"channels": 0}, r"data\.channels=0 must be a whole number"),
    ({"width": 0}, r"model\.generator\.width=0 must be a whole number"),
    ({"growth": -1}, r"model\.generator\.growth=-1 must be a whole number"),
    ({"num_blocks": 0}, r"model\.generator\.num_blocks=0 must be a whole number"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        RRDBNet(**settings)
