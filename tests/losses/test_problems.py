"""Which recipes a loss refuses, in which words, and whether following its advice helps."""

import pytest

from saddlepoint.game.latents import Latents
from saddlepoint.game.recipe import Recipe
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)
from saddlepoint.networks.mlp import MLPDiscriminator, MLPGenerator

RELATIVE = pytest.mark.parametrize("loss", [Relativistic, RelativisticAverage])


class Constraint(Trick):
    provides = frozenset({"lipschitz"})


def recipe(loss, tricks=None, turns=None, normalization="none") -> Recipe:
    return Recipe(
        {"generator": MLPGenerator(4, 1, 2, widths=[4]),
         "discriminator": MLPDiscriminator(1, 2, widths=[4], normalization=normalization)},
        loss=loss, loss_name="typed_name", tricks=tricks or {}, turns=turns or Turns(), latents=Latents(4),
        module=SynthesisModule, channels=1, image_size=2, num_classes=0, batch_size=4)


def problems(loss, **settings) -> list:
    return list(loss.problems(recipe(loss, **settings)))


@pytest.mark.parametrize("loss", [NonSaturating, Minimax, LeastSquares, Hinge])
def test_losses_that_compare_nothing_fit_every_recipe(loss):
    turns = Turns(scoring="half", generator_batch_multiple=2, fake_batch_multiple=2)
    assert problems(loss(), turns=turns, normalization="batch") == []


@RELATIVE
def test_relative_losses_fit_equal_batches(loss):
    assert problems(loss()) == []
    assert problems(loss(), turns=Turns(scoring="together", discriminator_steps=5)) == []


def test_wasserstein_needs_a_trick_that_makes_the_critic_lipschitz():
    (problem,) = problems(Wasserstein(), tricks={"ema": Trick()})
    assert problem.reason.startswith("loss=typed_name needs a Lipschitz critic")
    for trick in ("wgan_gp", "weight_clipping", "spectral_norm"):
        assert trick in problem.reason
    assert problem.instead == {"trick": ["ema", "wgan_gp"]}
    assert problems(Wasserstein(), tricks={"ema": Trick(), "any_name": Constraint()}) == []


@RELATIVE
@pytest.mark.parametrize(("setting", "value", "works"), [
    ("scoring", "half", "separate"), ("generator_batch_multiple", 2, 1), ("fake_batch_multiple", 2, 1)])
def test_relative_losses_refuse_unequal_batches_and_say_what_to_type(loss, setting, value, works):
    (problem,) = problems(loss(), turns=Turns(**{setting: value}))
    assert problem.reason.startswith("loss=typed_name compares")
    assert f"model.turns.{setting}={value}" in problem.reason
    assert problem.instead == {f"model.turns.{setting}": works}


@RELATIVE
def test_relative_losses_give_every_reason_at_once_and_following_them_all_is_enough(loss):
    turns = Turns(scoring="half", generator_batch_multiple=2, fake_batch_multiple=3)
    reasons = problems(loss(), turns=turns)
    assert len(reasons) == 3
    for problem in reasons:
        for setting, value in problem.instead.items():
            setattr(turns, setting.removeprefix("model.turns."), value)
    assert problems(loss(), turns=turns) == []
