"""The discriminator each loss would like best, on data and fakes that take four values."""

import pytest
import torch

from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.losses.adversarial import Hinge, LeastSquares, NonSaturating
from tests.losses.examples import HARD


def best_scores(loss: AdversarialLoss, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """D's logits at each of len(p) points, by gradient descent, on data that hold point i p_i times (fakes: q_i)"""
    scores = torch.zeros(len(p), dtype=torch.float64, requires_grad=True)
    for _ in range(500):
        value = loss.discriminator(scores.repeat_interleave(p), scores.repeat_interleave(q), HARD)
        (gradient,) = torch.autograd.grad(value, scores)
        scores = (scores - 2 * gradient).detach().requires_grad_()
    return scores.detach()


DATA, FAKES = torch.tensor([5, 3, 1, 1]), torch.tensor([1, 1, 4, 4])  # densities in tenths
RATIO = DATA / (DATA + FAKES)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_best_discriminator_is_p_over_p_plus_q(reduction):
    """Goodfellow et al. 2014, proposition 1"""
    scores = best_scores(NonSaturating(reduction), DATA, FAKES)
    torch.testing.assert_close(torch.sigmoid(scores), RATIO.double(), rtol=1e-5, atol=1e-5)


def test_the_best_least_squares_discriminator_is_p_over_p_plus_q_itself():
    """Mao et al. 2017, eq. 5 with a = 0 and b = 1"""
    scores = best_scores(LeastSquares(), DATA, FAKES)
    torch.testing.assert_close(scores, RATIO.double(), rtol=1e-5, atol=1e-5)


def test_the_best_hinge_discriminator_is_the_sign_of_p_minus_q():
    """Lim and Ye 2017: each point's loss p (1 - d) + q (1 + d) is linear on [-1, 1], so an end of it is the best"""
    scores = torch.sign((DATA - FAKES).double()).requires_grad_()
    best = Hinge().discriminator(scores.repeat_interleave(DATA), scores.repeat_interleave(FAKES), HARD)
    assert best.item() == pytest.approx(2 * torch.minimum(DATA, FAKES).sum().item() / 10)
    torch.manual_seed(0)
    for other in 2 * torch.randn(50, 4, dtype=torch.float64):
        assert Hinge().discriminator(other.repeat_interleave(DATA), other.repeat_interleave(FAKES), HARD) >= best
