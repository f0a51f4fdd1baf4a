"""Files of weights are recognised from names and shapes, and what does not fit exactly is refused."""

import pytest
import torch
from torch import nn

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError
from saddlepoint.networks.basicsr_layout import build, recognise, untold
from saddlepoint.networks.rrdb import RRDBNet, UnfoldedRRDBNet
from saddlepoint.networks.srresnet import MSRResNet, SRResNet
from saddlepoint.networks.srvgg import SRVGGNetCompact
from saddlepoint.networks.upscaling_discriminators import UNetDiscriminator
from tests.networks.first_esrgan import FirstESRGAN
from tests.networks.reach import farthest_influence, with_large_weights

NETWORKS = [
    *((RRDBNet, {"channels": channels, "scale": scale, "width": 8, "growth": 4, "num_blocks": blocks})
      for channels, scale, blocks in ((3, 4, 2), (3, 2, 1), (1, 2, 1), (4, 1, 12))),
    *((SRVGGNetCompact, {"channels": channels, "scale": scale, "width": 8, "num_convolutions": layers})
      for channels, scale, layers in ((3, 4, 3), (3, 1, 12), (1, 2, 1))),
    *((MSRResNet, {"channels": 3, "scale": scale, "width": 8, "num_blocks": 2}) for scale in (2, 3, 4)),
    *((SRResNet, {"channels": 1, "scale": scale, "width": 4, "num_blocks": 11, "upsampling": upsampling,
                  "normalization": normalization, "skip": skip})
      for scale, upsampling, normalization, skip in (
          (4, "pixel_shuffle", "batch", False), (3, "pixel_shuffle", "none", True), (8, "transposed", "batch", True),
          (3, "transposed", "none", False))),
]
LAST = {"conv_first": "0", "conv_up1": "3", "conv_up2": "6", "conv_hr": "8", "conv_last": "10"}
BSRGAN = {"conv_body": "trunk_conv", "conv_up1": "upconv1", "conv_up2": "upconv2", "conv_hr": "HRconv"}


def as_the_first_esrgan(state, num_blocks: int):
    """its nn.Sequential: first layer 0, blocks and the convolution after them in 1.sub, the rest by place"""
    names = {}
    for name in state:
        layer, *rest = name.split(".")
        if layer == "body":
            block, dense, convolution, kind = rest
            names[name] = f"model.1.sub.{block}.{dense.upper()}.{convolution}.0.{kind}"
        elif layer == "conv_body":
            names[name] = f"model.1.sub.{num_blocks}.{rest[0]}"
        else:
            names[name] = f"model.{LAST[layer]}.{rest[0]}"
    return {names[name]: values for name, values in state.items()}


def as_bsrgan(state):
    def named(name: str) -> str:
        layer, rest = name.split(".", 1)
        return f"RRDB_trunk.{rest.replace('rdb', 'RDB')}" if layer == "body" else f"{BSRGAN.get(layer, layer)}.{rest}"
    return {named(name): values for name, values in state.items()}


@pytest.mark.parametrize(("network", "arguments"), NETWORKS)
def test_each_network_is_found_with_the_arguments_it_was_made_with(network, arguments):
    original = network(**arguments)
    state = original.state_dict()
    recognised = recognise(state, untold(original))
    assert (recognised.network, recognised.arguments) == (network, arguments)
    assert list(recognised.state) == list(state)


@pytest.mark.parametrize(("network", "arguments"), NETWORKS)
def test_what_is_built_computes_what_was_saved(network, arguments):
    torch.manual_seed(0)
    original = with_large_weights(network(**arguments))
    low = torch.rand(1, original.channels, 8, 4)
    rebuilt = build(original.state_dict(), untold(original)).eval()
    torch.testing.assert_close(rebuilt(low), original(low))
    assert rebuilt.scale == original.scale


@pytest.mark.parametrize("metadata", [{}, {"skip": "maybe"}])
def test_an_srresnet_whose_file_does_not_tell_of_the_skip_is_refused(metadata):
    with pytest.raises(RequestError, match=r"does not say .*model\.generator\.skip.*weights=RUN.*metadata"):
        build(SRResNet(width=4, num_blocks=1).state_dict(), metadata)


def test_a_file_of_half_precision_gives_a_network_of_float32():
    network = build({name: values.half() for name, values in RRDBNet(width=4, growth=2, num_blocks=1)
                    .state_dict().items()})
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_network_owns_its_weights():
    state = MSRResNet(width=4, num_blocks=1).state_dict()
    network = build(state)
    state["conv_last.weight"].zero_()
    assert network.conv_last.weight.any()


def test_a_small_file_cannot_ask_for_a_huge_network():
    """A convolution of 2**20 maps onto themselves would take 40 TB in each of four places."""
    one = torch.zeros(1)
    file = changed(conv_first__weight=one.expand(2**20, 3, 3, 3), conv_last__weight=one.expand(3, 2**20, 3, 3))
    with pytest.raises(RequestError, match=r"width=1048576, .* tensors differ"):
        recognise(file)


def test_files_that_basicsr_writes_are_recognised():
    archs = {name: basicsr.module(f"archs.{name}_arch") for name in ("rrdbnet", "srvgg", "srresnet")}
    low = torch.rand(1, 3, 4, 4)
    for theirs in (archs["rrdbnet"].RRDBNet(3, 3, 2, num_feat=8, num_block=1, num_grow_ch=4),
                   archs["srvgg"].SRVGGNetCompact(3, 3, 8, 2, upscale=3), archs["srresnet"].MSRResNet(3, 3, 8, 1)):
        torch.testing.assert_close(build(theirs.state_dict())(low), theirs(low), atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_blocks", [1, 23])
def test_the_layouts_of_the_first_esrgan_and_of_bsrgan_are_translated(num_blocks):
    arguments = {"channels": 3, "scale": 4, "width": 4, "growth": 2, "num_blocks": num_blocks}
    state = RRDBNet(**arguments).state_dict()
    for layout, file in (("first ESRGAN", as_the_first_esrgan(state, num_blocks)), ("BSRGAN", as_bsrgan(state))):
        recognised = recognise(file)
        assert (recognised.layout, recognised.network, recognised.arguments) == (layout, RRDBNet, arguments)
        assert all(torch.equal(recognised.state[name], values) for name, values in state.items())
        assert len(recognised.state) == len(state)


def test_averaged_weights_are_preferred_and_wrapped_ones_unwrapped():
    plain, averaged = (MSRResNet(width=4, num_blocks=1).state_dict() for _ in range(2))
    for file, expected in (({"params": plain}, plain), ({"params_ema": averaged}, averaged),
                           ({"params": plain, "params_ema": averaged}, averaged)):
        assert torch.equal(recognise(file).state["conv_last.weight"], expected["conv_last.weight"])


def changed(**changes) -> dict:
    return RRDBNet(width=4, growth=2, num_blocks=1).state_dict() | {
        name.replace("__", "."): values for name, values in changes.items()}


def without(name: str) -> dict:
    return {key: values for key, values in changed().items() if key != name}


@pytest.mark.parametrize(("state", "sentence"), [
    ({}, "0 tensors were found"),
    (nn.Linear(2, 3).state_dict(), "fit no network known here .* 2 tensors were found, named weight, bias"),
    (UNetDiscriminator(width=2).state_dict(), r"fit no network known here .* named conv0\.weight, conv0\.bias"),
    ({"generator": changed()}, "not a state dict .* found generator"),
    ({"params": [torch.zeros(1)]}, "not a state dict .* found params"),
    (without("conv_hr.bias"), r"RRDBNet\(channels=3, scale=4, .*1 tensors differ: conv_hr\.bias is missing"),
    (without("conv_last.weight"), r"no convolution conv_last\.weight"),
    (changed(extra=torch.zeros(2)), r"extra is \(2,\), expected nothing"),
    (changed(conv_up1__weight=torch.zeros(4, 4, 5, 5)),
     r"conv_up1\.weight is \(4, 4, 5, 5\), expected \(4, 4, 3, 3\)"),
    (changed(conv_first__weight=torch.zeros(4, 6, 3, 3)), "first layer reads 6 channels and whose last writes 3"),
    (changed(conv_first__weight=torch.zeros(4)), r"no convolution conv_first\.weight"),
    (changed(conv_last__weight=torch.zeros(0, 4, 3, 3)), r"no convolution conv_last\.weight"),
    (MSRResNet(width=4, scale=2, num_blocks=1).state_dict() | {"upconv1.weight": torch.zeros(100, 4, 3, 3)},
     r"MSRResNet\(.*cannot be: data\.scale=5 must be 2, 3 or 4"),
    (SRResNet(width=4, num_blocks=1).state_dict() | {"extra": torch.zeros(2)}, r"SRResNet\(.*1 tensors differ: extra"),
    ({"body.0.weight": torch.zeros(4, 3, 3, 3), "body.0.bias": torch.zeros(4)},
     r"num_convolutions=-1\), which cannot be: model\.generator\.num_convolutions=-1"),
])
def test_what_fits_nothing_is_refused_with_what_was_found(state, sentence):
    with pytest.raises(RequestError, match=sentence):
        recognise(state)


@pytest.mark.parametrize(("doublings", "network"), [(0, UnfoldedRRDBNet), (1, UnfoldedRRDBNet), (2, RRDBNet),
                                                    (3, UnfoldedRRDBNet)])
def test_the_first_esrgan_of_any_scale_computes_what_it_computed(doublings, network):
    torch.manual_seed(0)
    original, low = with_large_weights(FirstESRGAN(doublings)), torch.rand(1, 3, 6, 5)
    rebuilt = build(original.state_dict())
    assert (type(rebuilt), rebuilt.scale, rebuilt.multiple) == (network, 2**doublings, 1)
    expected = original(low)
    assert expected.shape == (1, 3, 6 * rebuilt.scale, 5 * rebuilt.scale) and expected.std() > 0.01
    torch.testing.assert_close(rebuilt(low), expected, atol=1e-6, rtol=0)
    assert farthest_influence(with_large_weights(network(1, rebuilt.scale, 4, 2, 1))) == 15 + 4


def assert_same_bits(rebuilt: nn.Module, original: nn.Module) -> None:
    low = torch.rand(1, 3, 6, 4)
    assert torch.equal(rebuilt(low), original.to(memory_format=torch.channels_last)(low))


def test_bsrgans_x2_has_one_doubling_as_well():
    original = with_large_weights(UnfoldedRRDBNet(scale=2, width=4, growth=2, num_blocks=1))
    assert_same_bits(build(as_bsrgan(original.state_dict())), original)


def test_a_folding_network_in_the_first_esrgans_layout_folds():
    """Real-ESRGAN's x2 under old names"""
    original = with_large_weights(RRDBNet(scale=2, width=4, growth=2, num_blocks=1))
    assert_same_bits(build(as_the_first_esrgan(original.state_dict(), 1)), original)


def prefixed(state: dict, prefix: str) -> dict:
    return {f"{prefix}.{name}": values for name, values in state.items()}


@pytest.mark.parametrize("wrapped", [
    lambda state: prefixed(state, "module"),
    lambda state: prefixed(state, "module.net_g"),
    lambda state: {"state_dict": state, "epoch": 3},
    lambda state: {"params_ema": prefixed(state, "module"), "params": {}},
    lambda state: {"state_dict": {"params_ema": prefixed(state, "model")}, "optimizer": [1]},
    lambda state: prefixed(state, "params_ema"),
    lambda state: prefixed(state, "module.params_ema")
    | prefixed({name: values + 1 for name, values in state.items()}, "module.params"),
    lambda state: {"params": prefixed(state, "params_ema") | {"params.other": torch.zeros(1)}},
])
@pytest.mark.parametrize("original", [
    RRDBNet(width=4, growth=2, num_blocks=1), FirstESRGAN(1), SRVGGNetCompact(width=8, num_convolutions=2)],
    ids=["RRDBNet", "FirstESRGAN", "SRVGGNetCompact"])
def test_weights_are_found_under_every_wrapping_and_prefix(original, wrapped):
    expected, loaded = build(original.state_dict()).state_dict(), build(wrapped(original.state_dict())).state_dict()
    assert expected.keys() == loaded.keys() and all(torch.equal(expected[name], loaded[name]) for name in expected)


def test_a_dictionary_that_holds_itself_comes_to_an_end():
    endless = {}
    endless["params"] = endless
    with pytest.raises(RequestError, match="not a state dict"):
        recognise(endless)
    with pytest.raises(RequestError, match="fit no network known here"):
        recognise({"a." * 5000: torch.zeros(1)})
