"""ncnn's files, in the genuine format: 16-bit floats after a tag, biases without one, checked to the byte."""

import re

import pytest
import torch

from saddlepoint.errors import RequestError
from saddlepoint.networks import basicsr_layout
from saddlepoint.upscaling import ncnn
from saddlepoint.upscaling.releases import read_package
from tests.upscaling.weight_files import (
    FLOAT16,
    FLOAT32,
    convolutions_of,
    ncnn_bytes,
    ncnn_text,
    small_rrdbnet,
    write_ncnn,
)


@pytest.mark.parametrize(("tag", "exact"), [(FLOAT32, True), (FLOAT16, False)])
def test_convolutions_come_back_as_they_were_stored(tag, exact, tmp_path):
    network = small_rrdbnet()
    for found, (_, weight, bias) in zip(ncnn.read(*write_ncnn(tmp_path, "x", network, tag)), convolutions_of(network),
                                        strict=True):
        assert torch.equal(found.weight, weight if exact else weight.half().float()) and torch.equal(found.bias, bias)


def test_an_odd_number_of_16_bit_weights_is_filled_up_to_four_bytes(tmp_path):
    odd = [("a", torch.arange(9.0).view(1, 1, 3, 3), torch.tensor([10.0])),
           ("b", torch.ones(1, 1, 1, 1), torch.zeros(1))]
    (tmp_path / "x.param").write_text(ncnn_text(odd))
    (tmp_path / "x.bin").write_bytes(ncnn_bytes(odd))
    assert (tmp_path / "x.bin").stat().st_size == 4 + 18 + 2 + 4 + 4 + 2 + 2 + 4
    first, second = ncnn.read(tmp_path / "x.param", tmp_path / "x.bin")
    assert torch.equal(first.weight, odd[0][1]) and first.bias.item() == 10 and second.weight.item() == 1


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_the_order_of_layers_is_the_order_of_basicsrs_names(num_blocks, tmp_path):
    """Names come from where the layers stand; the network that is built computes the same."""
    network = small_rrdbnet(num_blocks=num_blocks)
    state = read_package(*write_ncnn(tmp_path, "x", network, FLOAT32))
    assert list(state) == [f"{name}.{part}" for name, _, _ in convolutions_of(network) for part in ("weight", "bias")]
    low = torch.rand(1, 3, 9, 8)
    with torch.no_grad():
        torch.testing.assert_close(basicsr_layout.build(state)(low), network(low))


def test_a_file_of_another_length_is_refused(tmp_path):
    parameters, weights = write_ncnn(tmp_path, "x", small_rrdbnet())
    whole = weights.read_bytes()
    for content, words in ((whole[:-1], "ends 1 bytes too early"), (whole[:100], "too early"),
                           (b"", "4 bytes too early"), (whole + b"\0", "goes on for 1 bytes"),
                           (whole[4:], "stored under the tag|too early")):
        weights.write_bytes(content)
        with pytest.raises(RequestError, match=f"x.bin is damaged or does not belong to x.param.*({words})"):
            ncnn.read(parameters, weights)


@pytest.mark.parametrize(("pattern", "instead", "words"), [
    ("7767517", "7767516", "begins with '7767516'"),
    ("^.*$", "", "begins with ''"),
    (r"\n\d+ \d+\n", "\n3 3\n", "layers, and says '3 3'"),
    ("Split ", "PReLU ", "layers of other kinds: PReLU"),
    (" 6=432", " 6=433", "433 weights are no kernels of 3 x 3 for 16 outputs"),
    (" 6=432", "", "lacks setting 6"),
    (" 6=432", f" 6={432 * 10**15}", "too early"),
    (" 0=16 ", " 0=0 ", "no kernels"),
    ("Convolution .*", "Convolution", "not enough values"),
    ("7767517", "\0\0", "begins with"),
])
def test_a_param_file_that_is_wrong_is_refused(pattern, instead, words, tmp_path):
    layers = [("a", torch.randn(16, 3, 3, 3), torch.randn(16))]
    text = ncnn_text(layers)
    (tmp_path / "x.param").write_text(re.sub(pattern, instead, text, count=0 if pattern == "^.*$" else 1,
                                             flags=re.DOTALL if pattern == "^.*$" else 0))
    (tmp_path / "x.bin").write_bytes(ncnn_bytes(layers))
    with pytest.raises(RequestError, match=words):
        ncnn.read(tmp_path / "x.param", tmp_path / "x.bin")


def test_quantised_weights_and_files_that_are_not_there_are_refused(tmp_path):
    parameters, weights = write_ncnn(tmp_path, "x", small_rrdbnet())
    weights.write_bytes((0x000D4B38).to_bytes(4, "little") + weights.read_bytes()[4:])
    with pytest.raises(RequestError, match="tag 0x000d4b38, neither 16- nor 32-bit floats"):
        ncnn.read(parameters, weights)
    weights.unlink()
    with pytest.raises(RequestError, match="No such file"):
        ncnn.read(parameters, weights)


def test_convolutions_of_another_network_are_refused(tmp_path):
    layers = [("a", torch.randn(3, 3, 3, 3), torch.randn(3))] * 7
    (tmp_path / "x.param").write_text(ncnn_text(layers))
    (tmp_path / "x.bin").write_bytes(ncnn_bytes(layers))
    with pytest.raises(RequestError, match="7 convolutions, and no RRDBNet has"):
        read_package(tmp_path / "x.param", tmp_path / "x.bin")
