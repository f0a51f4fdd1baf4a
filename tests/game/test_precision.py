"""A network, or stages of it, in bfloat16: in training steps only, with float32 weights, results and penalties."""

import copy

import pytest
import torch
from torch import Tensor, nn

from saddlepoint.game.compiling import compile_networks
from saddlepoint.game.modes import switched_off
from saddlepoint.game.precision import Bfloat16, exact, layers_of, precision_of
from saddlepoint.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from saddlepoint.networks.patch_discriminator import PatchDiscriminator
from saddlepoint.networks.resnet import ResNetDiscriminator, ResNetGenerator
from saddlepoint.tricks.gradient_penalty import R1, squared_gradient_norm
from tests.tricks.stand_ins import step

NO_LABELS = torch.zeros(4, dtype=torch.long)
NETWORKS = {
    "dcgan": lambda: DCGANDiscriminator(3, 32, width=4, normalization="layer"),
    "resnet": lambda: ResNetDiscriminator(3, 32, width=4),
    "patches": lambda: PatchDiscriminator(3, 4),
    "generator": lambda: DCGANGenerator(5, 3, 32, width=4),
    "residual generator": lambda: ResNetGenerator(5, 3, 32, width=4),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    return network, torch.randn(4, 5) if "generator" in name else torch.rand(4, 3, 32, 32) * 2 - 1


def rounded_layers(network: nn.Module, inputs: Tensor) -> dict[nn.Module, bool]:
    """Of each layer with weights, whether it gives numbers that bfloat16 has"""
    seen: dict[nn.Module, bool] = {}
    weighted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear

    def look(layer: nn.Module, given: tuple, out: Tensor) -> None:
        seen[layer] = torch.equal(out.float(), out.bfloat16().float())

    hooks = [layer.register_forward_hook(look) for layer in network.modules() if isinstance(layer, weighted)]
    outputs = network(inputs, NO_LABELS)
    for hook in hooks:
        hook.remove()
    assert outputs.dtype == torch.float32
    return seen


@pytest.mark.parametrize("name", NETWORKS)
def test_only_the_chosen_stage_computes_in_bfloat16_and_only_while_that_is_on(name):
    network, inputs = made(name)
    chosen = {layer for part in layers_of(network.stages[1]) for layer in part.modules()}
    switch = Bfloat16(network, [1])
    assert not any(rounded_layers(network, inputs).values())
    switch.is_active = True
    rounded = rounded_layers(network, inputs)
    assert {layer for layer, is_rounded in rounded.items() if is_rounded} == rounded.keys() & chosen
    assert rounded.keys() & chosen and rounded.keys() - chosen


@pytest.mark.parametrize("name", NETWORKS)
def test_stages_are_all_layers_but_the_ends_in_order(name):
    network, inputs = made(name)
    called, layers = [], [layer for stage in network.stages for layer in layers_of(stage)]
    for layer in layers:
        layer.register_forward_hook(lambda layer, given, out: called.append(layer))
    network(inputs, NO_LABELS)
    assert called == layers and len(network.stages) >= 3


def test_a_whole_network_computes_as_autocast_does_with_float32_at_its_end():
    network, images = made("dcgan")
    with torch.autocast("cpu", torch.bfloat16):
        expected = network(images, NO_LABELS)
    assert expected.dtype == torch.bfloat16
    switch = Bfloat16(network)
    exactly = network(images, NO_LABELS)
    switch.is_active = True
    logits = network(images, NO_LABELS)
    assert logits.dtype == torch.float32 and torch.equal(logits, expected.float()) and not torch.equal(logits, exactly)
    logits.sum().backward()
    assert {parameter.grad.dtype for parameter in network.parameters()} == {torch.float32}


def test_what_enters_a_float32_stage_is_float32():
    network, images = made("dcgan")
    seen = []
    network.blocks[1].register_forward_pre_hook(lambda block, given: seen.append(given[0].dtype))
    switch = Bfloat16(network, [0])
    switch.is_active = True
    network(images, NO_LABELS)
    assert seen == [torch.float32]


@pytest.mark.parametrize("stages", [None, [0, 2]])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_penalty_is_float32(stages, is_compiled):
    network, images = made("resnet")
    norms = squared_gradient_norm(lambda shown: network(shown, NO_LABELS), images)
    switch, penalty = Bfloat16(network, stages), R1(gamma=2.0)
    if is_compiled:
        compile_networks(Alone(network), "aot_eager", print)
        penalty.is_compiled = True
    switch.is_active = True
    update = step(network, real=images, fake=images)
    torch.testing.assert_close(penalty.discriminator_loss(update), norms.mean())  # bfloat16 would miss by 2^-9
    assert switch.is_active


class Alone(nn.Module):
    """A game of one network, as far as compiling asks"""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.networks = {"discriminator": network}

    def training_step(self) -> None:
        """Does nothing."""


def test_a_copy_is_float32_and_state_dicts_know_nothing_of_it():
    network, images = made("dcgan")
    names, expected = set(network.state_dict()), network(images, NO_LABELS)
    for stages in ([1], None):
        switch = Bfloat16(network, stages)
        switch.is_active = True
        assert not torch.equal(network(images, NO_LABELS), expected)
        twin = copy.deepcopy(network)
        with switched_off(precision_of(twin)):
            assert torch.equal(twin(images, NO_LABELS), expected)
        nn.init.zeros_(twin.logit.weight)
        assert not twin(images, NO_LABELS).any() and network(images, NO_LABELS).any()
        assert set(network.state_dict()) == names


def test_exact_keeps_float32_and_float64_as_they_are():
    for kind in (torch.float32, torch.float64):
        numbers = torch.rand(3, dtype=kind)
        assert exact(numbers) is numbers
    for kind in (torch.bfloat16, torch.float16):
        assert exact(torch.ones(3, dtype=kind)).dtype == torch.float32
