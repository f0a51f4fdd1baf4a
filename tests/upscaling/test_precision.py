"""Half precision: where it is chosen, how far it is from float32, and what is not finite there. GPUs are stand-ins."""

import pytest
import torch

from saddlepoint.errors import RequestError
from saddlepoint.upscaling.precision import FLOAT32, Precision, chosen_precision
from saddlepoint.upscaling.tiling import NotFinite, TiledUpscaler, prepare_for_inference
from tests.upscaling.networks import Nearest, Upscaler

CPU, GPU = torch.device("cpu"), torch.device("cuda")
HALF, BRAIN = (Precision(dtype, dtype) for dtype in (torch.float16, torch.bfloat16))


@pytest.fixture(params=[(6, 1), (7, 0), (7, 5), (8, 0), (9, 0)])
def capability(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: request.param)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A card")
    return request.param


def test_auto_takes_16_bits_where_a_gpu_is_fast_in_them_and_32_for_finer_pictures(capability):
    precision = chosen_precision("auto", GPU)
    fast = capability >= (7, 0)
    assert precision.of(torch.uint8) == (torch.float16 if fast else torch.float32)
    assert precision.of(torch.uint16) == precision.of(torch.float32) == torch.float32
    assert str(precision) == ("16 (of pictures of 16 bits 32)" if fast else "32")
    assert chosen_precision("auto", CPU) == FLOAT32 == chosen_precision(32, GPU)
    assert chosen_precision(16, GPU) == HALF and str(HALF) == "16"


def test_bf16_is_refused_where_a_gpu_does_not_know_it(capability):
    if capability >= (8, 0):
        assert chosen_precision("bf16", GPU) == BRAIN
    else:
        with pytest.raises(RequestError, match=f"A card has {capability[0]}.{capability[1]}: type precision=16 or"):
            chosen_precision("bf16", GPU)


@pytest.mark.parametrize("typed", [16, "bf16"])
def test_half_precision_is_refused_on_a_cpu_with_what_to_type(typed):
    with pytest.raises(RequestError, match=f"precision={typed} is for GPUs.*type precision=32"):
        chosen_precision(typed, CPU)


def picture(dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 40, 33), generator=draws).to(dtype)


@pytest.mark.parametrize(("precision", "most"), [(HALF, 1), (BRAIN, 8)])
def test_half_precision_changes_few_levels(precision, most):
    network = prepare_for_inference(Upscaler())
    exact, high = (TiledUpscaler(network, precision=each)(picture()).int() for each in (FLOAT32, precision))
    assert (high - exact).abs().max() <= most
    assert network.layers[0].weight.dtype == torch.float32  # the network that was given stays as it is


def test_pictures_of_16_bits_stay_exact_under_auto():
    network = prepare_for_inference(Upscaler())
    upscaler = TiledUpscaler(network, precision=Precision(torch.float16, torch.float32))
    assert torch.equal(upscaler(picture(torch.uint16)), TiledUpscaler(network)(picture(torch.uint16)))


class Bright(Nearest):
    """Makes 66,000 of white, which float16 does not have."""

    def forward(self, low):
        return super().forward(torch.where(low == 1, low * 60000, low) * 1.1)


def test_a_tile_that_is_not_finite_in_16_bits_is_computed_again_and_that_is_said(capsys):
    low = picture().clamp(max=254)
    low[0, 2, 3] = 255  # in the first of nine tiles
    high, exact = (TiledUpscaler(Bright(), tile=16, precision=each)(low).int() for each in (HALF, FLOAT32))
    assert (high - exact).abs().max() <= 1 and high[0, 4, 6] == 255
    assert capsys.readouterr().err == "not finite with precision=16: 1 of 9 tiles, computed again in float32\n"


def test_what_is_not_finite_in_32_bits_either_is_no_picture():
    network = Nearest()
    network.weight.data.fill_(float("inf"))
    with pytest.raises(NotFinite, match="weights="):
        TiledUpscaler(network, precision=HALF)(picture())
