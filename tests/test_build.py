"""build: the networks of a game, and their first weights."""

import pytest
import torch
from torch import nn

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.trick import Trick
from tests.composing import settings


def test_the_first_weights_are_a_function_of_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(99)
    before = torch.get_rng_state()
    small = ("model.generator.width=4", "model.discriminator.width=4")
    first, same, other = (build.module(settings(*small, f"seed={seed}")) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


def test_a_model_has_the_networks_that_its_game_plays_with_and_no_others():
    chosen = settings()
    chosen["model"]["encoder"] = chosen["model"]["discriminator"]
    with pytest.raises(RequestError, match="model.encoder must be removed: SynthesisModule .* only with generator"):
        build.networks(chosen)
    chosen = settings("model=bigan")
    del chosen["model"]["encoder"]
    with pytest.raises(RequestError, match="model.encoder is missing: BiGANModule"):
        build.networks(chosen)
    chosen["model"]["module"] = {"_target_": "torch.nn.Identity"}
    with pytest.raises(RequestError, match="must be an AdversarialModule, and is not"):
        build.networks(chosen)


def test_two_callbacks_of_one_class_would_have_one_state(monkeypatch):
    chosen = settings("callbacks=none")
    health = settings()["callbacks"]["health"]
    chosen["callbacks"] = {"one": health, "other": health}
    with pytest.raises(RequestError, match="callbacks.one and callbacks.other are all of a class called Health"):
        build.callbacks(chosen, build.data(chosen), None)


class StartsAtRandom(Trick):
    trained_with = "generator"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def generator_loss(self, step):
        return self.weight.sum()


def test_the_first_weights_of_a_trick_are_a_function_of_the_seed(monkeypatch):
    monkeypatch.setattr(build, "tricks", lambda settings: {"mine": StartsAtRandom()})
    small, weights = ("model.generator.width=4", "model.discriminator.width=4"), []
    for seed, disturbance in ((1, 5), (1, 6), (2, 6)):
        torch.manual_seed(disturbance)
        weights.append(build.module(settings(*small, f"seed={seed}")).tricks["mine"].weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])
