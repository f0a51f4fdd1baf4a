"""The compact network against basicsr's, by count, by value and by reach (recipe B6)."""

import pytest
import torch
from torch import nn

from saddlepoint.compat import basicsr
from saddlepoint.networks.srvgg import SRVGGNetCompact
from tests.networks.counting import trainable
from tests.networks.reach import farthest_influence, with_large_weights


@pytest.mark.parametrize(("num_convolutions", "count"), [(16, 621_424), (32, 1_213_296)])
def test_parameter_counts_are_those_of_the_published_weights(num_convolutions, count):
    with torch.device("meta"):
        assert trainable(SRVGGNetCompact(num_convolutions=num_convolutions)) == count


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_output_is_basicsrs_with_the_same_weights(scale, size, channels):
    torch.manual_seed(0)
    ours = with_large_weights(SRVGGNetCompact(channels, scale, width=8, num_convolutions=3))
    theirs = basicsr.module("archs.srvgg_arch").SRVGGNetCompact(channels, channels, 8, 3, upscale=scale)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    low = torch.rand(2, channels, *size)
    torch.testing.assert_close(ours(low), theirs(low), atol=1e-5, rtol=0)


def test_without_its_last_convolution_it_repeats_pixels():
    network, low = SRVGGNetCompact(1, 2, width=4, num_convolutions=1), torch.rand(1, 1, 2, 2)
    nn.init.zeros_(network.body[-1].weight)
    nn.init.zeros_(network.body[-1].bias)
    torch.testing.assert_close(network(low), low.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


@pytest.mark.parametrize("num_convolutions", [1, 4])
def test_receptive_field_is_exact(num_convolutions):
    torch.manual_seed(0)
    network = with_large_weights(SRVGGNetCompact(1, 3, width=4, num_convolutions=num_convolutions))
    assert farthest_influence(network) == network.receptive_field


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"scale": 0}, r"data\.scale=0 must be a whole number"),
    ({"scale": 2.5}, r"data\.scale=2\.5 must be a whole number"),
    ({"width": 0}, r"model\.generator\.width=0 must be a whole number"),
    ({"num_convolutions": 0}, r"model\.generator\.num_convolutions=0 must be a whole number"),
])
def test_refuses_impossible_settings_by_the_name_that_is_typed(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        SRVGGNetCompact(**settings)
