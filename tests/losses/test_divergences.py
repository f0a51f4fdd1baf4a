"""f-divergences: the bound of the best D is the divergence of two Gaussians, by closed forms and by quadrature; the
tables of Nowozin et al. 2016, https://arxiv.org/abs/1606.00709, are those of f alone."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from saddlepoint.game.step import Targets
from saddlepoint.losses.adversarial import Minimax, NonSaturating
from saddlepoint.losses.divergences import DIVERGENCES, MOST, FDivergence, bounded_exp
from tests.losses.examples import FAKE, HARD, REAL

F = {  # f(u), as table 1 has it
    "kl": lambda u: u * u.log(),
    "reverse_kl": lambda u: -u.log(),
    "pearson": lambda u: (u - 1) ** 2,
    "squared_hellinger": lambda u: (u.sqrt() - 1) ** 2,
    "jensen_shannon": lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
    "gan": lambda u: u * u.log() - (u + 1) * (u + 1).log(),
}
CONJUGATES = {  # f*(t), as table 2 has it
    "kl": lambda t: (t - 1).exp(),
    "reverse_kl": lambda t: -1 - (-t).log(),
    "pearson": lambda t: t**2 / 4 + t,
    "squared_hellinger": lambda t: t / (1 - t),
    "jensen_shannon": lambda t: -(2 - t.exp()).log(),
    "gan": lambda t: -(1 - t.exp()).log(),
}
P, Q = (0.3, 0.8), (-0.2, 1.0)  # mean and standard deviation of data and fakes; 2 / 0.8^2 > 1 / 1.0^2
PLACES = torch.linspace(-10, 10, 1001, dtype=torch.float64)
every_divergence = pytest.mark.parametrize("name", DIVERGENCES)


def log_density(place: Tensor, mean: float, deviation: float) -> Tensor:
    return -((place - mean) / deviation) ** 2 / 2 - math.log(deviation * math.sqrt(2 * math.pi))


LOG_P, LOG_Q = log_density(PLACES, *P), log_density(PLACES, *Q)


def slope_of_f(name: str, ratio: Tensor) -> Tensor:
    ratio = ratio.clone().requires_grad_()
    return torch.autograd.grad(F[name](ratio).sum(), ratio)[0]


def best_logits(name: str) -> Tensor:
    """v at each place with g_f(v) = f'(p / q), by bisection: g_f rises"""
    wanted = slope_of_f(name, (LOG_P - LOG_Q).exp())
    low, high = torch.full_like(wanted, -600.0), torch.full_like(wanted, 600.0)
    for _ in range(100):
        middle = (low + high) / 2
        rises = DIVERGENCES[name].activation(middle) < wanted
        low, high = torch.where(rises, middle, low), torch.where(rises, high, middle)
    return (low + high) / 2


def bound(loss: FDivergence, logits: Tensor) -> float:
    """Minus D's loss of logits [places], where data and fakes have densities p and q, by the trapezoid rule"""
    at_each_place = [torch.vmap(term, in_dims=(0, None))(logits, HARD) for term in (loss.real_term, loss.fake_term)]
    return -sum(torch.trapezoid(values * density.exp(), PLACES).item()
                for values, density in zip(at_each_place, (LOG_P, LOG_Q), strict=True))


def kl(one: tuple[float, float], other: tuple[float, float]) -> float:
    (mean, deviation), (other_mean, other_deviation) = one, other
    return (math.log(other_deviation / deviation) - 1 / 2
            + (deviation**2 + (mean - other_mean) ** 2) / (2 * other_deviation**2))


def squared_hellinger() -> float:
    """The integral of (sqrt p - sqrt q)^2 = 2 - 2 times that of sqrt(p q)"""
    variance = P[1] ** 2 + Q[1] ** 2
    return 2 - 2 * math.sqrt(2 * P[1] * Q[1] / variance) * math.exp(-((P[0] - Q[0]) ** 2) / (4 * variance))


def pearson() -> float:
    """The integral of p^2 / q, minus 1; p^2 / q is a Gaussian of precision 2 / var_p - 1 / var_q, if that is above 0"""
    precision = 2 / P[1] ** 2 - 1 / Q[1] ** 2
    return Q[1] / (P[1] ** 2 * math.sqrt(precision)) * math.exp(
        (P[0] - Q[0]) ** 2 / (2 * Q[1] ** 2 - P[1] ** 2)) - 1


def twice_jensen_shannon() -> float:
    p, q = stats.norm(*P).pdf, stats.norm(*Q).pdf
    return integrate.quad(lambda x: p(x) * math.log(2 * p(x) / (p(x) + q(x)))
                          + q(x) * math.log(2 * q(x) / (p(x) + q(x))), -9, 9, epsabs=1e-12)[0]


@pytest.mark.parametrize(("name", "expected"), [
    ("kl", kl(P, Q)), ("reverse_kl", kl(Q, P)), ("squared_hellinger", squared_hellinger()), ("pearson", pearson()),
    ("jensen_shannon", twice_jensen_shannon()), ("gan", twice_jensen_shannon() - math.log(4))])
def test_at_the_best_discriminator_the_bound_is_the_divergence_and_elsewhere_it_is_less(name, expected):
    loss, logits = FDivergence(divergence=name), best_logits(name)
    assert bound(loss, logits) == pytest.approx(expected, rel=1e-6)
    for other in (logits + 0.1, logits - 0.1, 0.9 * logits):
        assert bound(loss, other) < expected - 1e-4


@every_divergence
def test_activation_and_conjugate_are_the_table_of_the_paper(name):
    logits = torch.linspace(-4, 4, 33, dtype=torch.float64)
    table = {"kl": logits, "reverse_kl": -(-logits).exp(), "pearson": logits, "squared_hellinger": 1 - (-logits).exp(),
             "jensen_shannon": math.log(2) - (1 + (-logits).exp()).log(), "gan": -(1 + (-logits).exp()).log()}
    row = DIVERGENCES[name]
    torch.testing.assert_close(row.activation(logits), table[name])
    torch.testing.assert_close(row.conjugate(logits), CONJUGATES[name](table[name]))


@every_divergence
def test_the_conjugate_is_the_largest_of_ut_minus_f(name):
    """f*(t) = sup over u of (u t - f(u)), by trying many u"""
    ratios = torch.logspace(-4, 4, 20_001, dtype=torch.float64)
    for logit in torch.tensor([-1.2, 0.0, 0.7], dtype=torch.float64):
        t = DIVERGENCES[name].activation(logit)
        largest = (ratios * t - F[name](ratios)).max().item()
        assert DIVERGENCES[name].conjugate(logit).item() == pytest.approx(largest, abs=1e-6)


@every_divergence
def test_the_boundary_is_where_the_activation_is_the_slope_of_f_at_one(name):
    loss = FDivergence(divergence=name)
    at_boundary = torch.tensor(loss.boundary, dtype=torch.float64)
    one = torch.tensor(1.0, dtype=torch.float64)
    torch.testing.assert_close(loss.divergence.activation(at_boundary), slope_of_f(name, one))
    assert loss.probability(at_boundary).item() == pytest.approx(0.5)


@every_divergence
def test_the_probability_of_the_best_logit_is_p_over_p_plus_q(name):
    middle = (PLACES.abs() < 3) if name != "pearson" else (PLACES.abs() < 2)
    probability = FDivergence(divergence=name).probability(best_logits(name)[middle])
    torch.testing.assert_close(probability, (LOG_P - LOG_Q)[middle].sigmoid(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("generator", "known"), [("raw", Minimax), ("alternative", NonSaturating)])
def test_the_gan_divergence_is_goodfellows_game(generator, known):
    ours, known = FDivergence(divergence="gan", generator=generator), known()
    torch.testing.assert_close(ours.discriminator(REAL, FAKE, HARD), known.discriminator(REAL, FAKE, HARD))
    torch.testing.assert_close(ours.generator(FAKE), known.generator(FAKE))
    torch.testing.assert_close(ours.of_both_sides(FAKE, REAL), known.of_both_sides(FAKE, REAL))
    twice = FDivergence(divergence="jensen_shannon", generator=generator)
    torch.testing.assert_close(twice.discriminator(REAL, FAKE, HARD),
                               known.discriminator(REAL, FAKE, HARD) - math.log(4))


@every_divergence
def test_the_raw_generator_minimises_what_d_maximises_and_the_alternative_maximises_the_activation(name):
    raw, other = (FDivergence(divergence=name, generator=kind) for kind in ("raw", "alternative"))
    torch.testing.assert_close(raw.generator(FAKE), -raw.fake_term(FAKE, HARD))
    torch.testing.assert_close(other.generator(FAKE), -other.divergence.activation(FAKE).mean())
    torch.testing.assert_close(raw.of_both_sides(FAKE, REAL), -raw.discriminator(REAL, FAKE, HARD))
    torch.testing.assert_close(other.of_both_sides(FAKE, REAL), other.discriminator(FAKE, REAL, HARD))


def test_exp_goes_on_as_its_tangent_where_it_would_overflow():
    limit = math.log(MOST)
    values = torch.tensor([-3.0, 0.0, limit, limit + 2, 1e4], dtype=torch.float64, requires_grad=True)
    result = bounded_exp(values)
    assert result.tolist() == pytest.approx([math.exp(-3), 1, MOST, 3 * MOST, MOST * (1 + 1e4 - limit)])
    result.sum().backward()
    assert values.grad[[0, 1, 3, 4]].tolist() == pytest.approx([math.exp(-3), 1, MOST, MOST])


@every_divergence
@pytest.mark.parametrize("generator", ["raw", "alternative"])
def test_values_and_gradients_stay_finite_at_any_logit_of_half_precision(name, generator):
    loss, hard = FDivergence(divergence=name, generator=generator), Targets(torch.tensor(1.0), torch.tensor(0.0))
    for size in (65504.0, -65504.0):  # the largest number of float16; D's logits become float32 before the loss
        logits = torch.full((2,), size, dtype=torch.float16).float().requires_grad_()
        values = [loss.discriminator(logits, logits, hard), loss.generator(logits)]
        sum(values).backward()
        assert all(tensor.isfinite().all() for tensor in (*values, logits.grad))


@every_divergence
def test_a_learned_logit_has_a_gradient_below_a_hundredth_and_its_neighbour_has_not(name):
    loss = FDivergence(divergence=name)
    for term, (low, high) in ((loss.real_term, loss.divergence.learned_real),
                              (loss.fake_term, loss.divergence.learned_fake)):
        for edge, inwards in ((low, 1e-3), (high, -1e-3)):
            for step, is_learned in ((inwards, True), (-inwards, False)):
                if math.isfinite(edge):
                    logit = torch.tensor([edge + step], dtype=torch.float64, requires_grad=True)
                    (gradient,) = torch.autograd.grad(term(logit, HARD), logit)
                    assert (gradient.abs().item() < 0.01) == is_learned
    inside = [next((edge for edge in (high - 1e-3, low + 1e-3) if math.isfinite(edge)), 0.0)
              for low, high in (loss.divergence.learned_real, loss.divergence.learned_fake)]
    counted = [float(name in names) for names in (
        ("reverse_kl", "squared_hellinger", "jensen_shannon", "gan"),
        ("kl", "pearson", "squared_hellinger", "jensen_shannon", "gan"))]
    real, fake = (torch.tensor([place], dtype=torch.float64) for place in inside)
    assert loss.saturation(real, fake).item() == np.mean(counted)


@pytest.mark.parametrize(("setting", "sentence"), [
    ({"divergence": "hellinger"}, "loss.divergence=hellinger must be one of kl, reverse_kl"),
    ({"generator": "saturating"}, "loss.generator=saturating must be one of raw, alternative")])
def test_names_that_do_not_exist_are_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        FDivergence(**setting)
