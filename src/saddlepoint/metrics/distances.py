"""Distances between images in the space of features, a tile at a time: N x M of them never exist together.

N and M images of D features. Distances are squared and float32.

How they are computed was measured (one core, 1024 x 1024 images of 2048 features). In float32 by |x|^2 + |y|^2 - 2 x.y,
as torch.cdist does by default, an image is 0.02 away from its own copy (0.07 s); as sums of squared differences they
are exact but slow (2.1 s); by the former in float64, 0.18 s. So float64, with what is below its resolution set to 0,
and rounded to float32: a tile of another shape then gives another number once in 10^8 times or so.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

TILE = 1024  # rows and columns computed at once: 8 MB in float64, three times that in use
_SHARED = 5  # neighbours that are always looked up: metrics that need 1, 3 and 5 then share one search

Arguments, Result = ParamSpec("Arguments"), TypeVar("Result")


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """[n, D], [m, D] float64 -> [n, m] float32; exactly 0 between copies

    One product gives all three terms: (-2 x, |x|^2, 1) (y, 1, |y|^2)^T.
    """
    one_squared, other_squared = (each.square().sum(1, keepdim=True) for each in (one, other))
    distances = torch.cat([-2 * one, one_squared, torch.ones_like(one_squared)], 1) @ torch.cat(
        [other, torch.ones_like(other_squared), other_squared], 1).T
    distances = distances.float()
    resolution = 4 * (one.shape[1] + 2) * torch.finfo(torch.float64).eps  # bounds the rounding between copies
    smallest = (resolution * one_squared).float()
    if distances.amin() <= smallest.amax():  # seldom, and replacing takes as long as all the rest
        distances.masked_fill_(distances <= smallest, 0)
    return distances


def tiles(rows: Tensor, columns: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """[N, D], [M, D] -> which rows, which columns, and their squared distances; all columns of some rows first"""
    for top in range(0, len(rows), TILE):
        row_features = rows[top:top + TILE].double()
        for left in range(0, len(columns), TILE):
            distances = squared_distances(row_features, columns[left:left + TILE].double())
            yield slice(top, top + TILE), slice(left, left + TILE), distances


def remembered(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The result is kept for as long as the tensors among the (positional) arguments live and are not written to: the
    metrics of one round ask the same questions."""
    results: dict[tuple, Result] = {}

    @functools.wraps(function)
    def once(*arguments):
        key = tuple(map(_identity, arguments))
        if key not in results:
            results[key] = function(*arguments)
            for argument in arguments:
                if isinstance(argument, Tensor):
                    weakref.finalize(argument, results.pop, key, None)
        return results[key]

    return once


def _identity(argument: object) -> object:
    """A tensor: which one, and how often it was written to (what was made in inference mode does not count that)."""
    if not isinstance(argument, Tensor):
        return argument
    return id(argument), None if argument.is_inference() else argument._version


def radii(features: Tensor, neighbours: int) -> Tensor:
    """features [N, D] -> [N]: squared distance of each image to its neighbours-th nearest other, itself not counted"""
    table = _nearest_others(features, min(max(neighbours, _SHARED), len(features) - 1))
    return table[:, neighbours - 1]


@remembered
def _nearest_others(features: Tensor, count: int) -> Tensor:
    """-> [N, count] squared distances to the nearest others, ascending"""
    table = features.new_full((len(features), count), torch.inf, dtype=torch.float32)
    for rows, columns, distances in tiles(features, features):
        if rows == columns:
            distances.fill_diagonal_(torch.inf)
        candidates = torch.cat([table[rows], distances], 1)
        table[rows] = candidates.topk(count, largest=False).values
    return table


@remembered
def nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """[N, D], [M, D] -> of each point, the squared distance to the nearest of the others [N] and its number [N]"""
    closest = points.new_full((len(points),), torch.inf, dtype=torch.float32)
    numbers = torch.zeros(len(points), dtype=torch.long, device=points.device)
    for rows, columns, distances in tiles(points, others):
        least, place = distances.min(1)
        closer = least < closest[rows]
        closest[rows] = torch.where(closer, least, closest[rows])
        numbers[rows] = torch.where(closer, place + columns.start, numbers[rows])
    return closest, numbers
