"""What may be changed about a batch of logits without changing a loss, and how losses relate."""

import pytest
import torch

from saddlepoint.game.step import Targets
from saddlepoint.losses.adversarial import Minimax, NonSaturating, Relativistic, RelativisticAverage, Wasserstein
from tests.losses.examples import FAKE, HARD, REAL, SEPARABLE, every_loss


def test_minimax_and_nonsaturating_generators_differ_by_the_mean_logit():
    """log(1 - s(x)) = -x + log s(x), so minimax = -E[x] - nonsaturating"""
    minimax, nonsaturating = Minimax().generator(FAKE), NonSaturating().generator(FAKE)
    torch.testing.assert_close(minimax, -FAKE.mean() - nonsaturating)


def test_minimax_is_a_zero_sum_game_up_to_the_term_on_reals():
    loss = Minimax()
    torch.testing.assert_close(loss.generator(FAKE), -loss.fake_term(FAKE, HARD))


@every_loss
def test_the_order_of_the_batch_does_not_matter(loss):
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(loss().discriminator(REAL[order], FAKE[order], HARD),
                               loss().discriminator(REAL, FAKE, HARD))
    torch.testing.assert_close(loss().generator(FAKE[order], REAL[order]), loss().generator(FAKE, REAL))


def test_pairing_depends_on_which_fake_meets_which_real_and_the_average_does_not():
    swapped = FAKE[[1, 0, 2, 3]]
    assert Relativistic().generator(swapped, REAL) != Relativistic().generator(FAKE, REAL)
    torch.testing.assert_close(RelativisticAverage().generator(swapped, REAL),
                               RelativisticAverage().generator(FAKE, REAL))


@every_loss
def test_patch_logits_count_like_as_many_images(loss):
    torch.manual_seed(0)
    real, fake = torch.randn(2, 5, 1, 3, 4, dtype=torch.float64)
    targets = Targets(torch.linspace(0.7, 1, 5, dtype=torch.float64), torch.linspace(0, 0.2, 5, dtype=torch.float64))
    repeated = Targets(*(target.repeat_interleave(12) for target in targets))
    torch.testing.assert_close(loss().discriminator(real, fake, targets),
                               loss().discriminator(real.flatten(), fake.flatten(), repeated))
    torch.testing.assert_close(loss().generator(fake, real), loss().generator(fake.flatten(), real.flatten()))


@pytest.mark.parametrize("loss", SEPARABLE)
def test_separable_losses_accept_more_fakes_than_reals_and_weigh_both_terms_alike(loss):
    twice = torch.cat([FAKE, FAKE])
    torch.testing.assert_close(loss().discriminator(REAL, twice, HARD), loss().discriminator(REAL, FAKE, HARD))


@pytest.mark.parametrize("loss", [Wasserstein, Relativistic, RelativisticAverage])
def test_a_constant_added_to_every_score_changes_nothing_for_the_critic(loss):
    torch.testing.assert_close(loss().discriminator(REAL + 7, FAKE + 7, HARD), loss().discriminator(REAL, FAKE, HARD))
    if loss.needs_real_logits:
        torch.testing.assert_close(loss().generator(FAKE + 7, REAL + 7), loss().generator(FAKE, REAL))


@pytest.mark.parametrize("loss", [Relativistic, RelativisticAverage])
def test_the_relativistic_generator_plays_the_critics_game_with_the_sides_swapped(loss):
    torch.testing.assert_close(loss().generator(FAKE, REAL), loss().discriminator(FAKE, REAL, HARD))


@pytest.mark.parametrize("loss", SEPARABLE)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_real_and_the_fake_term_add_up_to_the_discriminators_loss(loss, reduction):
    loss = loss(reduction)
    torch.testing.assert_close(loss.real_term(REAL, HARD) + loss.fake_term(FAKE, HARD),
                               loss.discriminator(REAL, FAKE, HARD))
