"""Every adversarial loss against its formula worked out another way: numpy on probabilities, limits, by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.step import Targets
from saddlepoint.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)
from saddlepoint.losses.divergences import FDivergence
from saddlepoint.losses.energy import EBGAN
from tests.in_conf import classes, concrete
from tests.losses.examples import FAKE, HARD, LOSSES, REAL, every_loss, sigmoid


def by_hand(real: np.ndarray, fake: np.ndarray) -> dict[type, tuple[float, float]]:
    """loss -> (D's loss, G's loss) with reduction=sum, straight from the papers' formulas"""
    log, mean = np.log, np.mean
    cross_entropy = -mean(log(sigmoid(real))) - mean(log(1 - sigmoid(fake)))
    return {
        NonSaturating: (cross_entropy, -mean(log(sigmoid(fake)))),
        Minimax: (cross_entropy, mean(log(1 - sigmoid(fake)))),
        LeastSquares: (mean((real - 1) ** 2) / 2 + mean(fake**2) / 2, mean((fake - 1) ** 2) / 2),
        Hinge: (mean(np.maximum(0, 1 - real)) + mean(np.maximum(0, 1 + fake)), -mean(fake)),
        Wasserstein: (mean(fake) - mean(real), -mean(fake)),
        Relativistic: (-mean(log(sigmoid(real - fake))), -mean(log(sigmoid(fake - real)))),
        RelativisticAverage: (
            -mean(log(sigmoid(real - mean(fake)))) - mean(log(1 - sigmoid(fake - mean(real)))),
            -mean(log(sigmoid(fake - mean(real)))) - mean(log(1 - sigmoid(real - mean(fake))))),
        FDivergence: (mean(np.exp(fake - 1)) - mean(real), -mean(fake)),
        EBGAN: (mean(np.maximum(0, 1 + fake)) - mean(real), -mean(fake)),
    }


logits = st.lists(st.tuples(st.floats(-8, 8), st.floats(-8, 8)), min_size=1, max_size=6)


@every_loss
@settings(max_examples=30, deadline=None)
@given(pairs=logits)
def test_values_are_the_formulas(loss, pairs):
    real, fake = torch.tensor(pairs, dtype=torch.float64).T
    discriminator, generator = by_hand(real.numpy(), fake.numpy())[loss]
    assert loss().discriminator(real, fake, HARD).item() == pytest.approx(discriminator, rel=1e-6, abs=1e-9)
    assert loss().generator(fake, real).item() == pytest.approx(generator, rel=1e-6, abs=1e-9)


EQUILIBRIUM = [
    (NonSaturating, 0.0, math.log(4), math.log(2)),
    (Minimax, 0.0, math.log(4), -math.log(2)),
    (LeastSquares, 0.5, 1 / 4, 1 / 8),
    (Hinge, 0.0, 2.0, 0.0),
    (Wasserstein, 3.0, 0.0, -3.0),
    (Relativistic, 3.0, math.log(2), math.log(2)),
    (RelativisticAverage, 3.0, math.log(4), math.log(4)),
    (FDivergence, 1.0, 0.0, -1.0),
    (EBGAN, -0.25, 1.0, 0.25),
]


def test_every_loss_is_an_option_and_has_values_here():
    assert {*LOSSES} == concrete(AdversarialLoss)
    assert {*LOSSES} == {loss for loss, *_ in EQUILIBRIUM} == by_hand(REAL.numpy(), FAKE.numpy()).keys()


@pytest.mark.parametrize(("loss", "logit", "discriminator", "generator"), EQUILIBRIUM)
def test_values_at_equilibrium_where_reals_and_fakes_score_alike(loss, logit, discriminator, generator):
    scores = torch.full((5,), logit, dtype=torch.float64)
    assert loss().discriminator(scores, scores, HARD).item() == pytest.approx(discriminator)
    assert loss().generator(scores, scores).item() == pytest.approx(generator)


@every_loss
def test_mean_halves_what_has_two_terms_and_leaves_single_terms_alone(loss):
    added, averaged = loss(reduction="sum"), loss(reduction="mean")
    two_terms = {"discriminator": loss is not Relativistic, "generator": loss is RelativisticAverage}
    ratio = averaged.discriminator(REAL, FAKE, HARD) / added.discriminator(REAL, FAKE, HARD)
    assert ratio.item() == pytest.approx(0.5 if two_terms["discriminator"] else 1.0)
    ratio = averaged.generator(FAKE, REAL) / added.generator(FAKE, REAL)
    assert ratio.item() == pytest.approx(0.5 if two_terms["generator"] else 1.0)


def test_the_lectures_discriminator_loss_at_equilibrium_is_ln_2():
    zeros = torch.zeros(4, dtype=torch.float64)
    assert NonSaturating(reduction="mean").discriminator(zeros, zeros, HARD).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.uses_targets])
def test_one_target_for_all_equals_the_same_target_for_each(loss):
    shared = Targets(torch.tensor(0.9, dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64))
    each = Targets(*(target.expand(4) for target in shared))
    torch.testing.assert_close(loss().discriminator(REAL, FAKE, shared), loss().discriminator(REAL, FAKE, each))


def test_soft_targets_are_the_cross_entropy_with_those_probabilities():
    targets = Targets(torch.tensor([0.9, 0.8, 1.0, 0.5], dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64))
    real, fake = sigmoid(REAL.numpy()), sigmoid(FAKE.numpy())
    smooth = targets.real.numpy()
    expected = -np.mean(smooth * np.log(real) + (1 - smooth) * np.log(1 - real))
    expected -= np.mean(0.1 * np.log(fake) + 0.9 * np.log(1 - fake))
    assert NonSaturating().discriminator(REAL, FAKE, targets).item() == pytest.approx(expected)


def test_least_squares_is_zero_where_logits_are_the_targets():
    targets = Targets(torch.tensor([0.9, 0.8], dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64))
    fake = torch.tensor([0.1, 0.1], dtype=torch.float64)
    assert LeastSquares().discriminator(targets.real.clone(), fake, targets).item() == 0


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if not loss.uses_targets])
def test_losses_without_targets_do_not_read_them(loss):
    nonsense = Targets(torch.tensor(math.nan), torch.tensor(math.nan))
    torch.testing.assert_close(loss().discriminator(REAL, FAKE, nonsense), loss().discriminator(REAL, FAKE, HARD))


@every_loss
def test_refuses_an_unknown_reduction_by_the_name_that_is_typed(loss):
    with pytest.raises(ValueError, match=r"loss\.reduction=none must be one of sum, mean"):
        loss("none")


@pytest.mark.parametrize(("name", "loss"), classes("loss").items())
def test_each_yaml_names_its_loss_and_adds_the_terms_by_default(name, loss):
    assert name.replace("_", "") == loss.__name__.lower()
    path = Path(__file__).parents[2] / "conf" / "loss" / f"{name}.yaml"
    target = OmegaConf.to_container(OmegaConf.load(path))
    del target["_target_"]
    more = {RelativisticAverage: {"detach_means": False}, EBGAN: {"margin": 1.0},
            FDivergence: {"divergence": "kl", "generator": "alternative"}}
    assert target == {"reduction": "sum"} | more.get(loss, {})
