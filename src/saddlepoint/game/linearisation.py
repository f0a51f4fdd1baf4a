"""The game as a dynamical system: the vector field that its players follow, the field's linearisation, steps along it.

P numbers are trained, those of G first. A point of the game is their values [P].
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from saddlepoint.game.adversarial import AdversarialModule, Terms
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import total_of

Field = Callable[[Tensor], Tensor]  # a point [P] -> the direction [P] in which the players move from it


class GameField:
    """v(theta, psi) = (-dL_G/dtheta, -dL_D/dpsi), by the losses, penalties and tricks of a game.

    theta are the trained numbers of G and psi those of D; both gradients are taken at the same weights, by the code of
    a step with model.turns.order=simultaneous. Mescheder, Nowozin and Geiger 2017, section 2,
    https://arxiv.org/abs/1705.10461. What acts after a step (clipping, averages) is no part of it. The game's weights,
    buffers and counters stay as they are.

    The result has a graph where the point needs a gradient, so the field can be differentiated. A loss that detaches
    what it compares with (relativistic_average with detach_means=true) hides that part of the derivative.

    batch: the data at every point
    draws: tensors by purpose, e.g. {"instance_noise": [of reals, of fakes]}, in the place of random numbers of this
        purpose, the n-th in that of the n-th draw, and from the first again; the others are the same at every point
    """

    def __init__(self, game: AdversarialModule, batch: ImageBatch, draws: Mapping[str, Sequence[Tensor]] | None = None):
        if game.turns.scoring == "half":
            raise ValueError("model.turns.scoring=half makes an update on each side, so there is no one field that the "
                             "players follow: type model.turns.scoring=separate")
        self.losses, self.batch, self.draws = _Losses(game), batch, draws or {}
        self.parameters = {player: dict(game.trained_parameters(player)) for player in PLAYERS}
        self.num_generator = sum(value.numel() for value in self.parameters["generator"].values())

    def point(self) -> Tensor:
        """Returns where the game is now, [P]."""
        return torch.cat([value.detach().flatten() for each in self.parameters.values()
                          for value in each.values()])

    def __call__(self, point: Tensor) -> Tensor:
        """point [P] -> v [P]"""
        is_differentiated = point.requires_grad
        with torch.enable_grad():
            values = self._named(point if is_differentiated else point.detach().requires_grad_())
            terms = self._terms(values)
            gradients = [gradient for player, each in values.items()
                         for gradient in torch.autograd.grad(total_of(terms[player]), [*each.values()],
                                                             create_graph=True, materialize_grads=True)]
        direction = -torch.cat([gradient.flatten() for gradient in gradients])
        return direction if is_differentiated else direction.detach()

    def _terms(self, values: Mapping[str, Mapping[str, Tensor]]) -> Mapping[str, Terms]:
        """Returns the terms of each player's loss where its parameters have these values, by name."""
        game = self.losses.game
        random = _FixedDraws(self.draws, game.seed, game.device)
        weights = {f"game.{name}": value for each in values.values() for name, value in each.items()}
        buffers = {f"game.{name}": value.clone() for name, value in game.named_buffers()}
        terms = functional_call(self.losses, weights | buffers, (self.batch, random))
        trained = {player: [*each.values()] for player, each in values.items()}
        return game.tricks.with_both_losses(terms, trained, game.update_on(self.batch, random))

    def _named(self, point: Tensor) -> dict[str, dict[str, Tensor]]:
        """Returns the numbers of a point as the parameters of each player, by name."""
        sizes = [value.numel() for each in self.parameters.values() for value in each.values()]
        rest = iter(point.split(sizes))
        return {player: {name: next(rest).view_as(value) for name, value in each.items()}
                for player, each in self.parameters.items()}


class _Losses(nn.Module):
    """A game whose call returns the terms of both players' losses."""

    def __init__(self, game: AdversarialModule):
        super().__init__()
        self.game = game

    def forward(self, batch: ImageBatch, random: RandomStreams) -> dict[str, Terms]:
        return self.game.terms_of_both(batch, random)[0]


class _FixedDraws(RandomStreams):
    """Random streams of update 0, in which given tensors take the place of the draws for some purposes."""

    def __init__(self, draws: Mapping[str, Sequence[Tensor]], seed: int, device: torch.device):
        super().__init__(seed, 0, device)
        self.given = {purpose: _again_and_again(tensors) for purpose, tensors in draws.items()}

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return next(self.given[purpose]) if purpose in self.given else super().normal(purpose, shape)

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return next(self.given[purpose]) if purpose in self.given else super().uniform(purpose, shape)


def _again_and_again(tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    while True:
        yield from tensors


def gaussian_pairs() -> tuple[Tensor, Tensor]:
    """Returns two columns [36, 1] that stand for pairs of independent numbers from N(0, 1).

    Means over them are those of the normal distribution, exactly, for polynomials up to degree 5 in each: they are the
    3 points of Gauss and Hermite, 0 and +-sqrt(3) with the weights 4/6, 1/6 and 1/6, each so many times as its weight
    says, since losses are plain means. All pairs are there, for losses that compare a real with a fake.
    """
    points = torch.tensor([0, 0, 0, 0, 3 ** 0.5, -(3 ** 0.5)], dtype=torch.float64)
    return points.repeat_interleave(6).unsqueeze(1), points.repeat(6).unsqueeze(1)


def jacobian(field: Field, point: Tensor) -> Tensor:
    """Returns dv/dx [P, P] at a point [P], a row for each number of v."""
    return torch.autograd.functional.jacobian(field, point)


def eigenvalues(matrix: Tensor) -> Tensor:
    """Returns the eigenvalues [P] of a matrix [P, P], complex, sorted by real part, then by imaginary part.

    Of the Jacobian at an equilibrium: the flow converges to it from nearby if all real parts are below 0, and not if
    one is above 0. Of an update's matrix: so do the steps if all absolute values are below 1, and not if one is above.
    """
    values = torch.linalg.eigvals(matrix).tolist()
    return torch.tensor(sorted(values, key=lambda value: (round(value.real, 9), value.imag)), dtype=torch.complex128)


def simultaneous_step(field: Field, point: Tensor, rate: float) -> Tensor:
    """Returns the point [P] after both players have moved by gradient descent from the same point: x + rate v(x)."""
    return point + rate * field(point)


def alternating_step(field: Field, point: Tensor, rate: float, num_generator: int) -> Tensor:
    """Returns the point [P] after D has moved, and then G against the D that has moved.

    num_generator: numbers of the point that are G's
    """
    for mover in _movers(point, num_generator):
        point = point + rate * mover * field(point)
    return point


def simultaneous_matrix(slope: Tensor, rate: float) -> Tensor:
    """Returns the linearisation [P, P] of simultaneous_step at an equilibrium, where the field has the Jacobian `slope`
    [P, P]: I + rate J."""
    return torch.eye(len(slope), dtype=slope.dtype) + rate * slope


def alternating_matrix(slope: Tensor, rate: float, num_generator: int) -> Tensor:
    """Returns the linearisation [P, P] of alternating_step at an equilibrium, where the field has the Jacobian `slope`
    [P, P]: (I + rate J_G) (I + rate J_D), J_G having the rows of G alone and J_D those of D."""
    of_discriminator, of_generator = (simultaneous_matrix(mover.unsqueeze(1) * slope, rate)
                                      for mover in _movers(slope[0], num_generator))
    return of_generator @ of_discriminator


def _movers(point: Tensor, num_generator: int) -> tuple[Tensor, Tensor]:
    """Returns for D and for G, in the order of a step, a vector [P] that is 1 at the player's own numbers."""
    is_generator = (torch.arange(len(point)) < num_generator).to(point.dtype)
    return 1 - is_generator, is_generator


def flow(field: Field, start: Tensor, step: float, steps: int) -> Tensor:
    """Returns the solution [steps + 1, P] of dx/dt = v(x) from `start` [P], every `step` units of time.

    By the classical method of Runge and Kutta of order 4, whose error in a step is of order step^5.
    """
    points = [start]
    for _ in range(steps):
        here = points[-1]
        first = field(here)
        second = field(here + step / 2 * first)
        third = field(here + step / 2 * second)
        fourth = field(here + step * third)
        points.append(here + step / 6 * (first + 2 * second + 2 * third + fourth))
    return torch.stack(points)
