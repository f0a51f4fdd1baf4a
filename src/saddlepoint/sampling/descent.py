"""Minimises a function of many points at once, each by itself. M points of Z numbers.

An objective returns one value [M] for points [M, Z], and each value depends on its own point alone. So the sum of all
has the gradients of each, and a point's way does not depend on those it is computed with.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Objective = Callable[[Tensor], Tensor]  # [M, Z] -> [M]
Projection = Callable[[Tensor], Tensor]  # [M, Z] -> the nearest allowed points [M, Z]

HISTORY = 10  # pairs of steps and changes of the gradient that L-BFGS remembers
HALVINGS = 20  # of a step of L-BFGS, before a point counts as converged
DECREASE = 1e-4  # share of the decrease which the gradient promises that a step must reach (Armijo's condition)


@dataclass
class Lowest:
    """The lowest value that each point had so far, and where."""

    points: Tensor  # [M, Z]
    values: Tensor = field(init=False)  # [M]

    def __post_init__(self):
        self.values = self.points.new_full(self.points.shape[:1], math.inf)

    def update(self, points: Tensor, values: Tensor) -> None:
        better = values < self.values  # never where a value is nan
        self.points = torch.where(better[:, None], points, self.points)
        self.values = torch.where(better, values, self.values)


def adam(objective: Objective, start: Tensor, steps: int, lr: float, project: Projection) -> Lowest:
    """Takes steps of Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980) from points [M, Z]. Returns the lowest
    values that it met. The learning rate falls from `lr` to 0 as half a cosine, so that the last steps settle."""
    points, lowest = start.detach().clone().requires_grad_(True), Lowest(start.detach())
    optimizer = torch.optim.Adam([points], lr)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
        values, points.grad = _value_and_gradient(objective, points)
        lowest.update(points.detach(), values)
        optimizer.step()
        with torch.no_grad():
            points.copy_(project(points))
    with torch.no_grad():
        lowest.update(points.detach(), objective(points))
    return lowest


def lbfgs(objective: Objective, start: Tensor, steps: int, project: Projection) -> Lowest:
    """Takes steps of L-BFGS (Nocedal and Wright 2006, Numerical Optimization, algorithms 7.4 and 7.5) from points [M,
    Z]. Returns the lowest values that it met.

    Each point has a history and a step length of its own, unlike in torch.optim.LBFGS, which sees all numbers as one
    point. A step that does not lower its value enough is halved. A point that no such step moves goes along its
    gradient next; the search ends where that moves none either.
    """
    points = start.detach().clone()
    values, gradients = _value_and_gradient(objective, points)
    lowest, pairs, moved = Lowest(points), [], torch.zeros_like(values, dtype=torch.bool)
    lowest.update(points, values)
    for _ in range(steps):
        direction, had_moved = -_two_loops(gradients, pairs), moved
        along_gradient = ~moved | (_dot(direction, gradients) >= 0)
        steepest = -gradients / gradients.norm(dim=1, keepdim=True).clamp(min=1)  # its own length means nothing
        direction = torch.where(along_gradient[:, None], steepest, direction)
        new_points, moved = _line_search(objective, points, values, gradients, direction, project)
        if not (moved | had_moved).any():
            break
        new_values, new_gradients = _value_and_gradient(objective, new_points)
        pairs = [*pairs[1 - HISTORY:], (new_points - points, new_gradients - gradients)]
        points, values, gradients = new_points, new_values, new_gradients
        lowest.update(points, values)
    return lowest


def _line_search(objective: Objective, points: Tensor, values: Tensor, gradients: Tensor, direction: Tensor,
                 project: Projection) -> tuple[Tensor, Tensor]:
    """Returns points [M, Z] along `direction` with values low enough, and which have moved [M]; the others stay."""
    length, moved, result = torch.ones_like(values), torch.zeros_like(values, dtype=torch.bool), points.clone()
    with torch.no_grad():
        for _ in range(HALVINGS):
            proposed = project(points + length[:, None] * direction)
            promised = _dot(proposed - points, gradients)
            accepted = (objective(proposed) <= values + DECREASE * promised) & (promised < 0) & ~moved
            result = torch.where(accepted[:, None], proposed, result)
            moved |= accepted
            if moved.all():
                break
            length = torch.where(moved, length, length / 2)
    return result, moved


def _two_loops(gradients: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Returns the gradients [M, Z] times the approximate inverse of each point's Hessian (algorithm 7.4). A pair in
    which a point has no positive curvature is left out for it."""
    result, factors = gradients, []
    for step, change in reversed(pairs):
        curvature = _dot(step, change)
        usable = curvature > 1e-10 * _dot(change, change)
        inverse = torch.where(usable, 1 / curvature.where(usable, torch.ones_like(curvature)), 0.0)
        factor = inverse * _dot(step, result)
        factors.append((factor, inverse))
        result = result - factor[:, None] * change
    scale = torch.ones_like(gradients[:, 0])  # of the newest pair that can be used
    for (_, change), (_, inverse) in zip(pairs, reversed(factors), strict=True):
        scale = torch.where(inverse > 0, 1 / (inverse * _dot(change, change)).clamp(min=1e-30), scale)
    result = scale[:, None] * result
    for (step, change), (factor, inverse) in zip(pairs, reversed(factors), strict=True):
        result = result + (factor - inverse * _dot(change, result))[:, None] * step
    return result


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(1)


def _value_and_gradient(objective: Objective, points: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the values [M] and the gradients [M, Z] of an objective."""
    with torch.enable_grad():
        points = points.detach().requires_grad_(True)
        values = objective(points)
        [gradients] = torch.autograd.grad(values.sum(), points)
    return values.detach(), gradients
