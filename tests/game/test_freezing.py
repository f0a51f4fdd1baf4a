"""Frozen first layers of discriminators: not a bit of them changes, and everything behind them learns."""

import pytest
import torch
from torch import nn

from saddlepoint.game.freezing import freezable_layers, freeze_first_layers
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.turns import Turns
from saddlepoint.networks.infogan import InfoGANDiscriminator
from saddlepoint.networks.layers import NORMALIZATIONS as KINDS
from saddlepoint.networks.patch_discriminator import PatchDiscriminator
from saddlepoint.networks.upscaling_discriminators import SRGANDiscriminator
from saddlepoint.parallel.strategy import running_statistics
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.gradient_penalty import R1
from saddlepoint.tricks.weights import SpectralNorm, WeightClipping
from tests.game.playing import TinyDiscriminator, batches, game, play
from tests.networks.every_network import DISCRIMINATORS

OTHERS = {"infogan": lambda: InfoGANDiscriminator(3, 16, [4], 1, width=2, hidden=4, code_hidden=4),
          "patches": lambda: PatchDiscriminator(width=4, halvings=1),
          "srgan": lambda: SRGANDiscriminator(image_size=16, width=4)}


def decaying(parameters):
    return torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.5)


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
@pytest.mark.parametrize("trick", [None, SpectralNorm(), WeightClipping(0.05), R1(), ExponentialMovingAverage()],
                         ids=lambda trick: type(trick).__name__)
def test_not_a_bit_of_a_frozen_layer_changes_and_all_others_learn(trick, order):
    discriminator = TinyDiscriminator(normalization=not isinstance(trick, R1), dropout=0.5)
    module = game(Turns(order=order), tricks={"it": trick} if trick else {}, discriminator=discriminator)
    module.players_optimizers = Optimizers(decaying, decaying)
    freeze_first_layers(module, 1)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items() if isinstance(tensor, torch.Tensor)}
    play(module, batches(3))
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, module.state_dict()[name])}
    of_discriminator = {name for name in before if name.startswith("discriminator.")}
    frozen = {name for name in of_discriminator if not name.startswith("discriminator.layers.4.")}
    assert len(frozen) > 1 and not changed & frozen
    learning = {name for name, _ in module.named_parameters()} - frozen
    assert {name for name in learning if not name.startswith("tricks.")} <= changed
    trained = {id(each) for group in module.optimizers()[1].param_groups for each in group["params"]}
    assert trained == {id(each) for each in discriminator.layers[4].parameters()}


def test_a_frozen_layer_is_one_function_of_an_image_whatever_its_neighbours_and_the_mode():
    module = game(discriminator=TinyDiscriminator(normalization=True, dropout=0.5))
    assert len(running_statistics(module.discriminator)) == 2
    freeze_first_layers(module, 1)
    assert running_statistics(module.train().discriminator) == []  # which processes would average, and round
    images, labels = batches(1)[0]
    alone = torch.cat([module.eval().discriminator(image[None], labels[:1]) for image in images])
    assert torch.equal(module.train().discriminator(images, labels), module.discriminator(images, labels))  # no dropout
    torch.testing.assert_close(module.train().discriminator(images, labels), alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [*DISCRIMINATORS, *OTHERS])
def test_layers_count_in_the_order_in_which_images_meet_them_and_logits_do_not(name):
    network = (DISCRIMINATORS | OTHERS)[name]().eval().requires_grad_(False)
    SpectralNorm().build(nn.Identity(), network)
    place = {id(inner): number for number, layer in enumerate(freezable_layers(network))
             for module in layer for inner in module.modules()}
    met: list[int | None] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.register_forward_hook(lambda module, given, _: met.append(place.get(id(module)))
                                         if given[0].requires_grad else None)
    network(torch.rand(2, 3, 16, 16, requires_grad=True), torch.zeros(2, dtype=torch.long))
    counted = [number for number in met if number is not None]
    assert counted == sorted(counted) and {*counted} == {*range(len(freezable_layers(network)))}
    assert met[0] == 0 and met[-1] is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_normalisation_belongs_to_the_layer_before_it(kind):
    layers = freezable_layers(DISCRIMINATORS["dcgan"](normalization=kind))
    assert sum(len([*stage[0].children()]) for stage in layers) == 2 + 3  # 16 to 8 without, 8 to 4 pixels with it
    plain = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3), nn.Dropout(), nn.Linear(3, 1))
    assert freezable_layers(plain) == [[plain[0], plain[1], plain[2]], [plain[3], plain[4]]]
