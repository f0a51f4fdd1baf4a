"""Solid shapes as voxels, made by formulas: boxes, balls, tori, crosses and cylinders.

A cube of S x S x S voxels is [-1, 1]^3; a voxel is full if its centre is inside the shape. The axes of a cube are those
of a film of images: depth, height (downwards), width.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from saddlepoint.game.random_streams import seed_of

Inside = Callable[[Tensor, float, Tensor], Tensor]
ROTATIONS = ("none", "vertical", "any")
LARGEST, SMALLEST = 0.95, 0.6  # size: how far the farthest point of a shape is from its middle, however it is turned


def box(places: Tensor, size: float, shares: Tensor) -> Tensor:
    """Its edges are to each other as three numbers from 0.45 to 1."""
    halves = 0.45 + 0.55 * shares
    return (places.abs() <= size * halves / halves.norm()).all(-1)


def ball(places: Tensor, size: float, shares: Tensor) -> Tensor:
    """Its radius is 0.85 of the size."""
    return places.square().sum(-1) <= (0.85 * size) ** 2


def torus(places: Tensor, size: float, shares: Tensor) -> Tensor:
    """Its tube lies around the height; the tube's radius is 0.25 to 0.35 of the size, which it reaches outside."""
    tube = size * (0.25 + 0.1 * shares[0])
    around = places[..., [0, 2]].norm(dim=-1) - (size - tube)
    return around.square() + places[..., 1].square() <= tube.square()


def cross(places: Tensor, size: float, shares: Tensor) -> Tensor:
    """Three square bars along the three axes, 0.2 to 0.35 times as thick as they are long."""
    thickness = 0.2 + 0.15 * shares[0]
    half = size / (1 + 2 * thickness**2).sqrt()
    return ((places.abs() <= thickness * half).sum(-1) >= 2) & (places.abs() <= half).all(-1)


def cylinder(places: Tensor, size: float, shares: Tensor) -> Tensor:
    """It stands upright, 0.35 to 0.65 times as wide as it is high."""
    width = 0.35 + 0.3 * shares[0]
    half = size / (1 + width**2).sqrt()
    return (places[..., [0, 2]].norm(dim=-1) <= width * half) & (places[..., 1].abs() <= half)


KINDS: dict[str, Inside] = {"box": box, "ball": ball, "torus": torus, "cross": cross, "cylinder": cylinder}


def centres(edge: int) -> Tensor:
    """Returns the centres of the voxels [S, S, S, 3]: depth, height, width, each from -1 to 1."""
    along = (torch.arange(edge) + 0.5) * (2 / edge) - 1
    return torch.stack(torch.meshgrid(along, along, along, indexing="ij"), -1)


def rotation(kind: str, numbers: Tensor) -> Tensor:
    """Returns a rotation [3, 3] from three numbers in [0, 1): none; about the height; or `any`, uniform over all.

    Shoemake 1992, Uniform Random Rotations, Graphics Gems III: a unit quaternion of three uniform numbers.
    """
    if kind == "none":
        return torch.eye(3)
    if kind == "vertical":
        cosine, sine = math.cos(2 * math.pi * float(numbers[0])), math.sin(2 * math.pi * float(numbers[0]))
        return torch.tensor([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    first, second, third = numbers.tolist()
    a, b = math.sqrt(1 - first), math.sqrt(first)
    x, y, z, w = (a * math.sin(2 * math.pi * second), a * math.cos(2 * math.pi * second),
                  b * math.sin(2 * math.pi * third), b * math.cos(2 * math.pi * third))
    return torch.tensor([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                         [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                         [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


def draw_shape(places: Tensor, kinds: tuple[str, ...], turned: str, seed: int, number: int, split: str,
               ) -> tuple[Tensor, int]:
    """Returns shape `number` of a seed, bool [S, S, S], and which of `kinds` it is. It depends on nothing else.

    places: of the voxels, from `centres`
    turned: none, vertical or any
    """
    generator = torch.Generator().manual_seed(seed_of(seed, number, f"data/{split} shapes"))
    kind = int(torch.randint(len(kinds), (), generator=generator))
    numbers = torch.rand(10, generator=generator)
    size = SMALLEST + (LARGEST - SMALLEST) * float(numbers[0])
    moved = (1 - size) * (2 * numbers[1:4] - 1)  # so that it stays in the cube
    turned_places = (places - moved) @ rotation(turned, numbers[4:7])
    return KINDS[kinds[kind]](turned_places, size, numbers[7:10]), kind


def draw_shapes(edge: int, kinds: tuple[str, ...], turned: str, seed: int, count: int, split: str = "train",
                ) -> tuple[Tensor, Tensor]:
    """Returns the first `count` shapes of a seed, uint8 [N, 1, S, S, S], 0 or 255, and their kinds [N] int64."""
    places = centres(edge)
    shapes, labels = torch.empty(count, 1, edge, edge, edge, dtype=torch.uint8), torch.empty(count, dtype=torch.long)
    for number in range(count):
        inside, labels[number] = draw_shape(places, kinds, turned, seed, number, split)
        shapes[number, 0] = inside.to(torch.uint8) * 255
    return shapes, labels
