"""Distances between images in the space of features, computed in tiles: the whole N x M matrix never exists.

N and M images of D features. Distances are squared and float32.

Three ways were measured (one core, 1024 x 1024 images of 2048 features). |x|^2 + |y|^2 - 2 x.y in float32, as
torch.cdist does by default, takes 0.07 s and puts an image 0.02 away from its own copy. Sums of squared differences are
exact and take 2.1 s. The first formula in float64 takes 0.18 s and is used here: values below its resolution are set to
0, and the result is rounded to float32, so that another shape of the tiles changes one number in about 10^8.
"""

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from saddlepoint.game.device_memory import free_bytes

TILE = 1024  # rows and columns computed at once: 8 MB in float64, three times that in use
MOST_TILE = 8192  # on a GPU; a larger product is no faster
_SHARED = 5  # neighbours that are always looked up, so that metrics that need 1, 3 and 5 share one search

Arguments, Result = ParamSpec("Arguments"), TypeVar("Result")


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """Returns the squared distances between the rows of [n, D] and of [m, D], float64, as [n, m] float32. They are
    exactly 0 between copies.

    One matrix product gives all three terms: (-2 x, |x|^2, 1) (y, 1, |y|^2)^T.
    """
    one_squared, other_squared = (each.square().sum(1, keepdim=True) for each in (one, other))
    distances = torch.cat([-2 * one, one_squared, torch.ones_like(one_squared)], 1) @ torch.cat(
        [other, torch.ones_like(other_squared), other_squared], 1).T
    distances = distances.float()
    resolution = 4 * (one.shape[1] + 2) * torch.finfo(torch.float64).eps  # bounds the rounding between copies
    smallest = (resolution * one_squared).float()
    # On a CPU, replacing takes as long as all the rest, and is seldom needed. On a GPU, to ask is to wait.
    if distances.device.type != "cpu" or distances.amin() <= smallest.amax():
        distances.masked_fill_(distances <= smallest, 0)
    return distances


def tiles(rows: Tensor, columns: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yields tiles of the matrix of squared distances between the rows of [N, D] and of [M, D]: a slice of the rows, a
    slice of the columns, and their distances. The columns run faster."""
    side = tile_side(rows.device, rows.shape[1])
    for top in range(0, len(rows), side):
        row_features = rows[top:top + side].double()
        for left in range(0, len(columns), side):
            distances = squared_distances(row_features, columns[left:left + side].double())
            yield slice(top, top + side), slice(left, left + side), distances


def tile_side(device: torch.device, num_features: int) -> int:
    """Returns the rows and columns of a tile: on a GPU as many as fit into a quarter of its free memory, a power of two
    from TILE to MOST_TILE."""
    return TILE if device.type != "cuda" else largest_side(num_features, free_bytes(device) // 4)


def largest_side(num_features: int, available: int) -> int:
    """Returns the largest side of a tile that takes no more than `available` bytes, a power of two from TILE to
    MOST_TILE. A pair of images takes three float64, and an image in float64 is there three times."""
    side = TILE
    while side < MOST_TILE and 24 * (2 * side)**2 + 2 * 3 * 8 * 2 * side * (num_features + 2) <= available:
        side *= 2
    return side


def memoised(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorates a function so that it remembers its results, as several metrics need the same distances.

    A result is kept as long as the tensors among the positional arguments exist and are not changed in place.
    """
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
    """Returns what makes an argument the same as before. For a tensor that is its id and the number of changes in
    place; tensors made in inference mode have no such number."""
    if not isinstance(argument, Tensor):
        return argument
    return id(argument), None if argument.is_inference() else argument._version


def radii(features: Tensor, neighbours: int) -> Tensor:
    """Returns the squared distance of each image to its neighbours-th nearest other, not counting itself: features
    [N, D] -> [N]."""
    table = _nearest_others(features, min(max(neighbours, _SHARED), len(features) - 1))
    return table[:, neighbours - 1]


@memoised
def _nearest_others(features: Tensor, count: int) -> Tensor:
    """Returns the squared distances of each image to its nearest others, ascending: features [N, D] -> [N, count]."""
    table = features.new_full((len(features), count), torch.inf, dtype=torch.float32)
    for rows, columns, distances in tiles(features, features):
        if rows == columns:
            distances.fill_diagonal_(torch.inf)
        candidates = torch.cat([table[rows], distances], 1)
        table[rows] = candidates.topk(count, largest=False).values
    return table


@memoised
def nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the squared distance of each point to the nearest of the others [N], and the number of that one [N]:
    points [N, D], others [M, D]."""
    closest = points.new_full((len(points),), torch.inf, dtype=torch.float32)
    numbers = torch.zeros(len(points), dtype=torch.long, device=points.device)
    for rows, columns, distances in tiles(points, others):
        least, place = distances.min(1)
        closer = least < closest[rows]
        closest[rows] = torch.where(closer, least, closest[rows])
        numbers[rows] = torch.where(closer, place + columns.start, numbers[rows])
    return closest, numbers
