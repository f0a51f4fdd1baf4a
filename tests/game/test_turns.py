"""Turns in which players move at once or share latents, and tricks that own parameters or choose an opponent."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.errors import RequestError
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.guard import Guard
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating, Relativistic, Wasserstein
from tests.game.playing import (
    LATENTS,
    TinyGenerator,
    batches,
    game,
    latents,
    moved,
    play,
    same,
    weights,
)


@pytest.mark.parametrize("scoring", ["separate", "together"])
@pytest.mark.parametrize("loss", [NonSaturating(), Relativistic()], ids=["nonsaturating", "relativistic"])
def test_simultaneous_players_move_by_gradients_at_the_same_weights(scoring, loss):
    module = game(Turns(order="simultaneous", scoring=scoring), loss, generator=TinyGenerator(True))
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        fake = generator(latents("discriminator", index), labels)
        real_logits, fake_logits = discriminator(real, labels), discriminator(fake, labels)
        if isinstance(loss, Relativistic):
            of_discriminator, of_generator = (F.softplus(sign * (fake_logits - real_logits)).mean() for sign in (1, -1))
        else:
            of_discriminator = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
            of_generator = F.softplus(-fake_logits).mean()
        up = torch.autograd.grad(of_generator, list(generator.parameters()), retain_graph=True)
        moved([discriminator], of_discriminator)
        with torch.no_grad():
            for parameter, gradient in zip(generator.parameters(), up, strict=True):
                parameter -= 0.1 * gradient
    same((module.generator, generator), (module.discriminator, discriminator))
    assert module.generator.layers[1].num_batches_tracked == 3  # one pass a batch
    assert (module.discriminator_steps_taken, module.generator_steps_taken) == (3, 3)


def test_a_simultaneous_game_circles_where_an_alternating_one_does_not_leave():
    """min over g, max over d of g d: descent-ascent multiplies the distance from (0, 0) by sqrt(1 + rate^2) a step
    (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, section 2), the alternating order keeps it bounded."""
    class Number(nn.Module):
        latent_dim = LATENTS

        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.tensor(1.0))

        def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
            return self.value.expand(len(inputs), 1, 2, 2) if inputs.ndim == 2 else self.value * inputs[:, 0, 0, 0]

    data = [ImageBatch(torch.zeros(8, 1, 2, 2).double(), torch.zeros(8, dtype=torch.long))] * 200
    distances = {}
    for order in ("alternating", "simultaneous"):
        module = game(Turns(order=order), Wasserstein(), generator=Number(), discriminator=Number())
        play(module, data)
        distances[order] = torch.hypot(module.generator.value, module.discriminator.value).item()
    assert distances["simultaneous"] == pytest.approx(2**0.5 * (1 + 0.1**2) ** (200 / 2))
    assert distances["alternating"] < 1.6


def test_neither_of_two_simultaneous_players_moves_when_the_others_numbers_are_refused():
    module = game(Turns(order="simultaneous"))
    before = [weights(network) for network in module.networks.values()]

    class RefusesTheGenerator(Guard):
        def check(self, module, player, optimizer, terms):
            if player == "generator":
                raise ValueError("not finite")

    module.guard = RefusesTheGenerator()
    with pytest.raises(ValueError, match="not finite"):
        play(module, batches(1))
    assert all(torch.equal(weights(network), kept) for network, kept in zip(
        module.networks.values(), before, strict=True))


def test_shared_latents_are_those_of_the_discriminators_update_for_all_of_the_generators():
    module = game(Turns(share_latents=True, generator_steps=2))
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        z = latents("discriminator", index)
        moved([discriminator], F.softplus(-discriminator(real, labels)).mean()
              + F.softplus(discriminator(generator(z, labels).detach(), labels)).mean())
        for _ in range(2):
            moved([generator], F.softplus(-discriminator(generator(z, labels), labels)).mean())
    same((module.generator, generator), (module.discriminator, discriminator))


def test_shared_fakes_pass_through_the_generator_once():
    for shares, passes in ((False, 6), (True, 3)):
        module = game(Turns(share_latents=shares), generator=TinyGenerator(True))
        play(module, batches(3))
        assert module.generator.layers[1].num_batches_tracked == passes


@pytest.mark.parametrize(("turns", "words"), [
    ({"order": "simultaneous", "discriminator_steps": 2}, "type model.turns.discriminator_steps=1"),
    ({"order": "simultaneous", "fakes_in_eval": True}, "type model.turns.fakes_in_eval=false"),
    ({"order": "simultaneous", "scoring": "half"}, "type model.turns.scoring=separate"),
    ({"share_latents": True, "scoring": "half"}, "type model.turns.scoring=separate"),
    ({"share_latents": True, "generator_batch_multiple": 2}, "type model.turns.generator_batch_multiple=1"),
    ({"order": "at once"}, "must be one of alternating, simultaneous"),
])
def test_turns_that_cannot_share_fakes_are_refused(turns, words):
    with pytest.raises(ValueError, match=words):
        Turns(**turns)


# Tricks with parameters, and with another opponent.


class Rescaled(Trick):
    """Shows D everything times a number that a player learns."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.0))

    def discriminator_input(self, images: Tensor, step) -> Tensor:
        return self.factor * images


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_parameters_of_a_trick_are_trained_by_its_player(player):
    trick = type("Trained", (Rescaled,), {"trained_with": player})().double()
    module = game(tricks={"rescaled": trick})
    generator, discriminator = copy.deepcopy((module.generator, module.discriminator))
    factor = nn.ParameterList([nn.Parameter(torch.tensor(1.0))]).double()
    play(module, batches(3))
    for index, (real, labels) in enumerate(batches(3)):
        fake = generator(latents("discriminator", index), labels).detach()
        loss = (F.softplus(-discriminator(factor[0] * real, labels)).mean()
                + F.softplus(discriminator(factor[0] * fake, labels)).mean())
        moved([discriminator, factor] if player == "discriminator" else [discriminator], loss)
        fake = generator(latents("generator", index), labels)
        loss = F.softplus(-discriminator(factor[0] * fake, labels)).mean()
        moved([generator, factor] if player == "generator" else [generator], loss)
    same((module.generator, generator), (module.discriminator, discriminator))
    torch.testing.assert_close(trick.factor.item(), factor[0].item(), rtol=1e-6, atol=0)
    assert abs(factor[0].item() - 1) > 1e-3


def test_parameters_that_no_player_trains_are_refused():
    with pytest.raises(RequestError, match=r"trick=rescaled has parameters that no player trains, e.g. factor"):
        game(tricks={"rescaled": Rescaled()})


class LooksAtD(Trick):
    """Keeps the discriminator as a part of its own, e.g. for its features."""

    def build(self, generator, discriminator):
        self.judge = discriminator


def test_a_network_that_a_trick_keeps_is_no_parameter_of_the_trick():
    module = game(tricks={"looks": LooksAtD()})
    play(module, batches(1))
    assert len(module.parameters_of["discriminator"]) == 4


class PlaysAgainstTheFirst(Trick):
    """Lets G play against D as it was before training."""

    def build(self, generator, discriminator):
        self.first = copy.deepcopy(discriminator).requires_grad_(False)

    def opponent(self, step):
        return self.first


def test_a_trick_chooses_whom_the_generator_plays_against():
    module = game(tricks={"first": PlaysAgainstTheFirst()})
    generator, first = copy.deepcopy((module.generator, module.discriminator))
    play(module, batches(3))
    for index in range(3):
        moved([generator], F.softplus(-first(generator(latents("generator", index), None), None)).mean())
    same((module.generator, generator))
    assert not torch.equal(weights(module.discriminator), weights(first))
