"""Gradients of the losses with respect to the logits, by hand."""

import numpy as np
import pytest
import torch

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
from tests.losses.examples import FAKE, HARD, REAL, every_loss, sigmoid


def gradients(value_of) -> tuple[list[float], list[float]]:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    value_of(real, fake).backward()
    return tuple([0.0] * 4 if logits.grad is None else (4 * logits.grad).tolist() for logits in (real, fake))


@pytest.mark.parametrize(("loss", "on_real", "on_fake", "on_generated"), [
    (NonSaturating, lambda r: sigmoid(r) - 1, sigmoid, lambda f: sigmoid(f) - 1),
    (Minimax, lambda r: sigmoid(r) - 1, sigmoid, lambda f: -sigmoid(f)),
    (LeastSquares, lambda r: r - 1, lambda f: f, lambda f: f - 1),
    (Hinge, lambda r: -1.0 * (r < 1), lambda f: 1.0 * (f > -1), lambda f: -np.ones(4)),
    (Wasserstein, lambda r: -np.ones(4), lambda f: np.ones(4), lambda f: -np.ones(4)),
    (Relativistic, lambda r: sigmoid(r - FAKE.numpy()) - 1, lambda f: 1 - sigmoid(REAL.numpy() - f),
     lambda f: sigmoid(f - REAL.numpy()) - 1),
])
def test_gradients_at_chosen_logits(loss, on_real, on_fake, on_generated):
    real, fake = gradients(lambda real, fake: loss().discriminator(real, fake, HARD))
    assert real == pytest.approx(on_real(REAL.numpy()).tolist())
    assert fake == pytest.approx(on_fake(FAKE.numpy()).tolist())
    _, fake = gradients(lambda real, fake: loss().generator(fake, REAL))
    assert fake == pytest.approx(on_generated(FAKE.numpy()).tolist())


def test_gradients_of_the_relativistic_average_flow_through_both_means():
    """N d/dx_i (E[softplus(m_f - x)] + E[softplus(f - m_x)]) = -(s(m_f - x_i) + E[s(f - m_x)]); for f_j its mirror."""
    r, f = REAL.numpy(), FAKE.numpy()
    above, below = sigmoid(f.mean() - r), sigmoid(f - r.mean())
    real, fake = gradients(lambda real, fake: RelativisticAverage().discriminator(real, fake, HARD))
    assert real == pytest.approx((-above - below.mean()).tolist())
    assert fake == pytest.approx((below + above.mean()).tolist())


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_detached_means_leave_only_the_gradients_of_the_terms_themselves_and_the_value(share):
    """N d/dx_i (E[softplus(m_f - x)] + E[softplus(f - m_x)]) = -s(m_f - x_i), m_f and m_x constant; for f_j its mirror.
    ESRGAN's two backward passes, each times 1/2, add up to the same."""
    r, f = REAL.numpy(), FAKE.numpy()
    loss = RelativisticAverage("sum" if share == 1 else "mean", detach_means=True)
    real, fake = gradients(lambda real, fake: loss.discriminator(real, fake, HARD))
    assert real == pytest.approx((-share * sigmoid(f.mean() - r)).tolist())
    assert fake == pytest.approx((share * sigmoid(f - r.mean())).tolist())
    flowing = RelativisticAverage("sum" if share == 1 else "mean")
    assert loss.discriminator(REAL, FAKE, HARD).item() == flowing.discriminator(REAL, FAKE, HARD).item()


def test_detached_means_are_the_discriminators_alone():
    of_generator = [gradients(lambda real, fake, loss=loss: loss.generator(fake, real.detach()))[1]
                    for loss in (RelativisticAverage(detach_means=True), RelativisticAverage())]
    assert of_generator[0] == of_generator[1]


@every_loss
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_values_and_gradients_stay_finite_at_extreme_float32_logits(loss, size):
    real, fake = torch.full((3,), size, requires_grad=True), torch.full((3,), -size, requires_grad=True)
    hard = Targets(torch.tensor(1.0), torch.tensor(0.0))
    values = [loss().discriminator(real, fake, hard), loss().generator(fake, real)]
    sum(values).backward()
    assert all(tensor.isfinite().all() for tensor in (*values, real.grad, fake.grad))


def test_a_sure_discriminator_still_moves_the_nonsaturating_generator_but_not_the_saturating_one():
    sure = torch.full((1,), -50.0, requires_grad=True)
    assert torch.autograd.grad(NonSaturating().generator(sure), sure)[0].item() == pytest.approx(-1)
    assert torch.autograd.grad(Minimax().generator(sure), sure)[0].item() == pytest.approx(0, abs=1e-20)
