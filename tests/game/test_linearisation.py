"""The linearised game agrees with the theory of Dirac-GAN, and with what training does.

theta is G's number, psi D's, a = f'(0) with f the loss's function of a logit; h is the rate of both players.
"""

import cmath
import math

import pytest
import torch
from scipy import integrate

from saddlepoint.game import linearisation
from saddlepoint.game.linearisation import GameField
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
from saddlepoint.tricks.consensus import Consensus
from saddlepoint.tricks.gradient_penalty import R1, R2, Dragan, WassersteinGradientPenalty
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.weights import WeightClipping
from tests.game import playing
from tests.game.dirac import dirac_batch, dirac_field, dirac_game, points

EQUILIBRIUM = points(0, 0)
START = points(1, 1)
HALF, ONE = (Minimax, NonSaturating, LeastSquares, Relativistic), (Hinge, Wasserstein, RelativisticAverage)
LOSSES = dict.fromkeys(HALF, 0.5) | dict.fromkeys(ONE, 1.0)  # with f'(0); the average's has two terms


def at_equilibrium(field: linearisation.Field) -> torch.Tensor:
    return linearisation.jacobian(field, EQUILIBRIUM)


def roots(trace: float, determinant: float) -> torch.Tensor:
    """The eigenvalues of a matrix of two rows: the roots of x^2 - trace x + determinant"""
    root = cmath.sqrt(trace ** 2 / 4 - determinant)
    return torch.tensor([trace / 2 - root, trace / 2 + root], dtype=torch.complex128)


def agrees(matrix: torch.Tensor, trace: float, determinant: float, accuracy: float = 1e-12) -> None:
    torch.testing.assert_close(linearisation.eigenvalues(matrix), roots(trace, determinant), rtol=0, atol=accuracy)


# Eigenvalues (protocols of Mescheder et al. 2018, section 3 and appendix)


@pytest.mark.parametrize(("loss", "slope"), LOSSES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_without_a_penalty_the_eigenvalues_are_plus_and_minus_i_times_the_slope_of_the_loss(loss, slope):
    field = dirac_field(loss())
    assert not field(EQUILIBRIUM).any()
    agrees(at_equilibrium(field), 0, slope ** 2)


def test_with_reduction_mean_the_players_of_the_relativistic_average_turn_half_as_fast():
    agrees(at_equilibrium(dirac_field(RelativisticAverage(reduction="mean"))), 0, 0.25)


def test_least_squares_turn_about_the_boundary_and_elsewhere_0_is_no_equilibrium():
    game = dirac_game(LeastSquares())
    game.discriminator.boundary = 0.0  # which the discriminator has from the loss, 0.5
    slope = linearisation.jacobian(GameField(game, dirac_batch()), EQUILIBRIUM)
    assert linearisation.eigenvalues(slope).abs().max() < 1e-7  # a double root at 0: errors are of order sqrt(1e-16)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("trick", [R1, R2])
@pytest.mark.parametrize(("loss", "slope"), LOSSES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_r1_and_r2_move_the_eigenvalues_to_the_left(trick, gamma, loss, slope):
    field = dirac_field(loss(), {"penalty": trick(gamma)})
    agrees(at_equilibrium(field), -gamma, slope ** 2)  # -gamma/2 +- sqrt(gamma^2/4 - a^2)


def test_the_eigenvalues_are_real_from_the_critical_weight_of_r1_on():
    below, above = (linearisation.eigenvalues(at_equilibrium(dirac_field(NonSaturating(), {"r1": R1(gamma)})))
                    for gamma in (0.99, 1.01))  # the critical weight is 2 f'(0) = 1
    assert below.imag.abs().min() > 0.05 and not above.imag.any()


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_instance_noise_moves_the_eigenvalues_to_the_left(sigma):
    field = dirac_field(NonSaturating(), {"instance_noise": InstanceNoise(sigma)})
    agrees(at_equilibrium(field), -sigma ** 2 / 2, 0.25)  # -s^2/4 +- sqrt(s^4/16 - 1/4)


def test_the_pairs_of_noise_have_the_moments_of_two_independent_normal_numbers():
    first, second = linearisation.gaussian_pairs()
    moments = (1, 0, 1, 0, 3, 0)  # E n^k
    for one, other in torch.cartesian_prod(torch.arange(6), torch.arange(6)).tolist():
        found = (first ** one * second ** other).mean().item()
        assert found == pytest.approx(moments[one] * moments[other], abs=1e-12)


@pytest.mark.parametrize("gamma", [0.1, 1.0])
@pytest.mark.parametrize(("loss", "slope"), LOSSES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_consensus_moves_the_eigenvalues_to_the_left(loss, slope, gamma):
    """J^T J = a^2 I where J turns by a, so J - gamma J^T J has the eigenvalues -gamma a^2 +- i a."""
    field = dirac_field(loss(), {"consensus": Consensus(gamma)})
    real = -gamma * slope ** 2
    agrees(at_equilibrium(field), 2 * real, real ** 2 + slope ** 2)


@pytest.mark.parametrize("tricks", [{}, {"r2": R2(1.0)}], ids=str)
def test_consensus_goes_down_the_slope_of_the_squared_speed(tricks):
    """v' = v - gamma grad |v|^2 / 2 (Mescheder et al. 2017, section 4), of networks with slopes everywhere"""
    without, field = (of_networks(tricks | more) for more in ({}, {"consensus": Consensus(0.25)}))
    here = field.point().requires_grad_()
    direction = without(here)
    [slope] = torch.autograd.grad(direction.square().sum() / 2, here)
    torch.testing.assert_close(field(here.detach()), direction.detach() - 0.25 * slope)


# The field


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


CLOSED = {  # (theta, psi) -> v, differentiated by hand
    Minimax: lambda theta, psi: (psi * sigmoid(psi * theta), -theta * sigmoid(psi * theta)),
    NonSaturating: lambda theta, psi: (psi * sigmoid(-psi * theta), -theta * sigmoid(psi * theta)),
    LeastSquares: lambda theta, psi: (psi * (0.5 - psi * theta), -theta * (0.5 + psi * theta)),
    Relativistic: lambda theta, psi: (psi * sigmoid(-psi * theta), -theta * sigmoid(psi * theta)),
    Hinge: lambda theta, psi: (psi, -theta if psi * theta > -1 else 0),
    Wasserstein: lambda theta, psi: (psi, -theta),
    RelativisticAverage: lambda theta, psi: (2 * psi * sigmoid(-psi * theta), -2 * theta * sigmoid(psi * theta)),
}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_the_field_is_the_one_of_the_paper_s_formulas(loss):
    field = dirac_field(loss())
    for theta, psi in ((1, 1), (-2, 0.5), (0.3, -1.2), (3, -2)):
        torch.testing.assert_close(field(points(theta, psi)), points(*CLOSED[loss](theta, psi)))


def of_networks(tricks) -> GameField:
    """The field of a game whose networks have 16 and 31 numbers"""
    return GameField(playing.game(Turns(order="simultaneous"), tricks=tricks), playing.batches(1, 4)[0])


@pytest.mark.parametrize("tricks", [{}, {"r2": R2(2.0)}, {"wgan_gp": WassersteinGradientPenalty(1.0)},
                                    {"r1": R1(1.0), "instance_noise": InstanceNoise(0.5)}], ids=str)
def test_the_jacobian_of_networks_is_the_slope_of_their_field(tricks):
    """Along a direction, against central differences; also where a penalty's points depend on G."""
    field = of_networks(tricks)
    here = field.point()
    direction = torch.randn(len(here), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    difference = (field(here + 1e-5 * direction) - field(here - 1e-5 * direction)) / 2e-5
    torch.testing.assert_close(linearisation.jacobian(field, here) @ direction, difference, rtol=1e-6, atol=1e-8)


def test_looking_at_the_field_changes_nothing_in_the_game():
    game = playing.game(Turns(order="simultaneous"), generator=playing.TinyGenerator(normalization=True))
    before = {name: value.clone() for name, value in game.state_dict().items() if torch.is_tensor(value)}
    field = GameField(game, playing.batches(1)[0])
    linearisation.jacobian(field, field.point() + 1)
    assert before and all(torch.equal(value, game.state_dict()[name]) for name, value in before.items())
    assert game.newest == {} and all(each.grad is None for each in game.parameters())


# Steps, each against its own matrix


RATE = 0.1


@pytest.mark.parametrize("tricks", [{}, {"r1": R1(0.3)}, {"instance_noise": InstanceNoise(0.8)}], ids=str)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_near_the_equilibrium_steps_are_their_matrices(loss, tricks):
    field, near = dirac_field(loss(), tricks), points(1e-5, -2e-5)
    slope = at_equilibrium(field)
    for step, matrix in ((linearisation.simultaneous_step(field, near, RATE),
                          linearisation.simultaneous_matrix(slope, RATE)),
                         (linearisation.alternating_step(field, near, RATE, 1),
                          linearisation.alternating_matrix(slope, RATE, 1))):
        torch.testing.assert_close(step, matrix @ near, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("loss", "slope"), LOSSES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_simultaneous_steps_grow_and_alternating_ones_stay_on_the_unit_circle(loss, slope):
    jacobian = at_equilibrium(dirac_field(loss()))
    agrees(linearisation.simultaneous_matrix(jacobian, RATE), 2, 1 + (RATE * slope) ** 2)
    agrees(linearisation.alternating_matrix(jacobian, RATE, 1), 2 - (RATE * slope) ** 2, 1)


def test_r1_lets_both_kinds_of_steps_converge():
    jacobian = at_equilibrium(dirac_field(NonSaturating(), {"r1": R1(0.3)}))
    for matrix in (linearisation.simultaneous_matrix(jacobian, RATE),
                   linearisation.alternating_matrix(jacobian, RATE, 1)):
        assert linearisation.eigenvalues(matrix).abs().max() < 1


def radii(trajectory: torch.Tensor) -> torch.Tensor:
    return trajectory.norm(dim=1)


def test_minimax_circles_in_the_flow():
    """dr/dt = 0 as theta' theta = -psi' psi, and all have the angular speed s(psi theta) of at least s(-1/2)."""
    field = dirac_field(Minimax())
    trajectory = linearisation.flow(field, points(1, 0), 0.25, 60)  # 15 units of time: more than once around
    torch.testing.assert_close(radii(trajectory), torch.ones(61).double(), rtol=1e-5, atol=0)
    assert trajectory[:, 0].min() < -0.99 and trajectory[-10:, 0].max() > 0.9


def test_minimax_grows_under_simultaneous_steps_and_stays_bounded_under_alternating_ones():
    field, steps = dirac_field(Minimax()), 150
    here = together = points(1e-3, 0)
    farthest = 0.0
    for _ in range(steps):
        together = linearisation.simultaneous_step(field, together, RATE)
        here = linearisation.alternating_step(field, here, RATE, 1)
        farthest = max(farthest, here.norm().item())
    assert together.norm().item() == pytest.approx(1e-3 * (1 + RATE ** 2 / 4) ** (steps / 2), rel=1e-5)
    assert farthest < 1e-3 * (1 + RATE)


def test_the_non_saturating_flow_spirals_inwards_like_one_over_the_root_of_time():
    """d(r^2)/dt = -2u tanh(u/2), u = psi theta. Around a small circle that is -r^4/8 on average: r^-2 = r0^-2 + t/8."""
    distances = radii(linearisation.flow(dirac_field(NonSaturating()), points(0.2, 0), 0.5, 240))
    times = torch.arange(241).double() / 2
    torch.testing.assert_close(distances ** -2, 0.2 ** -2 + times / 8, rtol=0.01, atol=0)


def test_what_the_document_says_of_its_long_flow_by_an_independent_solver():
    times = [0, 500, 2000]
    found = integrate.solve_ivp(lambda _, point: CLOSED[NonSaturating](*point), (0, 2000), [1, 1], "DOP853", times,
                                rtol=1e-8, atol=1e-10).y
    distances = (found ** 2).sum(0) ** 0.5
    assert [round(distance, 3) for distance in distances] == [1.414, 0.126, 0.063]
    assert math.log(distances[1] / distances[2]) / math.log(4) == pytest.approx(0.498, abs=0.001)  # the exponent


def test_our_flow_is_that_of_an_independent_solver():
    ours = linearisation.flow(dirac_field(NonSaturating()), START, 0.2, 100)[-1]
    solved = integrate.solve_ivp(lambda _, point: CLOSED[NonSaturating](*point), (0, 20), [1, 1], rtol=1e-10,
                                 atol=1e-12)
    torch.testing.assert_close(ours, torch.from_numpy(solved.y[:, -1].copy()), rtol=1e-4, atol=1e-5)


# Training


def in_words(part: object) -> str:
    """A loss or tricks as pytest names them: their places in memory, which str has, differ between processes."""
    return "-".join(part) if isinstance(part, dict) else type(part).__name__


def trained(loss, tricks, order: str, steps: int) -> torch.Tensor:
    """The points [steps, 2] of a real training after each step"""
    recorder = playing.play(dirac_game(loss, tricks, Turns(order=order), RATE), [dirac_batch()] * steps)
    return torch.stack([torch.cat(pair) for pair in zip(recorder.generators, recorder.discriminators, strict=True)])


@pytest.mark.parametrize(("loss", "tricks"), [(NonSaturating(), {}), (RelativisticAverage(), {"r2": R2(0.3)}),
                                              (LeastSquares(), {"r1": R1(0.3)})], ids=in_words)
@pytest.mark.parametrize("order", ["simultaneous", "alternating"])
def test_training_makes_the_steps_of_the_theory(loss, tricks, order):
    field, here, expected = dirac_field(loss, tricks), START, []
    for _ in range(5):
        here = (linearisation.simultaneous_step(field, here, RATE) if order == "simultaneous"
                else linearisation.alternating_step(field, here, RATE, 1))
        expected.append(here)
    torch.testing.assert_close(trained(loss, tricks, order, 5), torch.stack(expected), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("loss", "tricks"), [
    (Wasserstein(), {"wgan_gp": WassersteinGradientPenalty(0.3)}), (NonSaturating(), {"dragan": Dragan(0.3)}),
    (Wasserstein(), {"weight_clipping": WeightClipping(0.5)})], ids=in_words)
def test_penalties_with_a_kink_and_clipping_do_not_converge(loss, tricks):
    """WGAN-GP and DRAGAN pull |psi| to 1, away from 0; clipping lets psi go around as before."""
    late = radii(trained(loss, tricks, "alternating", 300)[100:])
    assert late.min() > 0.4 and torch.isfinite(late).all()
    assert late[100:].max() > 0.8 * late[:100].max()  # nor does it shrink
