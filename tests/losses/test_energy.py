"""EBGAN's loss: its formula in energies, its equilibrium, and which discriminators it refuses. Logits are -energy."""

import pytest
import torch

from saddlepoint.losses.energy import EBGAN
from saddlepoint.networks.autoencoder_discriminator import DCGANAutoencoderDiscriminator
from tests.losses.examples import HARD
from tests.losses.test_problems import recipe

ENERGY_OF_REALS = torch.tensor([0.1, 0.3], dtype=torch.float64)
ENERGY_OF_FAKES = torch.tensor([0.2, 1.0, 2.5, 0.5], dtype=torch.float64)


def test_the_losses_are_the_papers_in_energies():
    loss = EBGAN(margin=0.8)
    pushed_up = (0.6 + 0 + 0 + 0.3) / 4  # max(0, 0.8 - e)
    assert loss.discriminator(-ENERGY_OF_REALS, -ENERGY_OF_FAKES, HARD).item() == pytest.approx(0.2 + pushed_up)
    assert loss.generator(-ENERGY_OF_FAKES).item() == pytest.approx(4.2 / 4)
    assert loss.of_both_sides(-ENERGY_OF_FAKES, -ENERGY_OF_REALS).item() == pytest.approx(4.2 / 4 - 0.2)


def test_where_reals_and_fakes_are_alike_d_loses_the_margin_whatever_the_energy_below_it():
    """Zhao et al. 2017, theorem 1 and 2: V = m at the Nash equilibrium"""
    for energy in (0.0, 0.3, 0.79):
        logits = torch.full((3,), -energy, dtype=torch.float64)
        assert EBGAN(margin=0.8).discriminator(logits, logits, HARD).item() == pytest.approx(0.8)


def test_fakes_beyond_the_margin_are_counted_and_have_no_gradient():
    loss, fake = EBGAN(margin=0.8), (-ENERGY_OF_FAKES).requires_grad_()
    assert loss.saturation(-ENERGY_OF_REALS, fake).item() == (0 + 2 / 4) / 2
    loss.fake_term(fake, HARD).backward()
    assert (fake.grad == 0).tolist() == [False, True, True, False]


def test_a_discriminator_that_reconstructs_nothing_is_refused_in_a_sentence():
    [problem] = EBGAN().problems(recipe(EBGAN()))
    assert "MLPDiscriminator (model.discriminator) reconstructs nothing: type model=ebgan" in problem.reason
    fitting = recipe(EBGAN())
    fitting.networks["discriminator"] = DCGANAutoencoderDiscriminator(1, 16, 2, 2)
    assert not [*EBGAN().problems(fitting)]


def test_a_margin_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"loss.margin=0 must be above 0"):
        EBGAN(margin=0)
