"""Draws shapes of voxels as seen from a corner, without a library of graphics.

N shapes of S x S x S voxels, whose axes are depth (away from the viewer), height (downwards) and width. Pictures have
P x P pixels. All rays are parallel; the first full voxel on a ray is what a pixel shows.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

PIXELS = 96
STEPS_A_VOXEL = 3  # places at which a ray looks, for each voxel of its length
BACKGROUND = 24  # grey level of what shows no voxel
AMBIENT, BY_LIGHT, BY_DEPTH = 0.25, 0.55, 0.2  # shares of the brightness: of all, of faces to the light, of near ones
LIGHT = numpy.array([-0.6, -0.7, -0.4]) / math.sqrt(0.6**2 + 0.7**2 + 0.4**2)  # to the lamp: right, down, forward


class View(NamedTuple):
    """From where shapes are seen. Both angles 0: along the axis of depth, as the first image of a film.

    azimuth: degrees about the height
    elevation: degrees from above
    """

    azimuth: float = 35.0
    elevation: float = 28.0

    @property
    def axes(self) -> numpy.ndarray:
        """The directions right, down and forward in a picture as rows [3, 3], each in depth, height and width."""
        turn, rise = math.radians(self.azimuth), math.radians(self.elevation)
        forward = [math.cos(rise) * math.cos(turn), math.sin(rise), math.cos(rise) * math.sin(turn)]
        right = [-math.sin(turn), 0.0, math.cos(turn)]
        down = [-math.sin(rise) * math.cos(turn), math.cos(rise), -math.sin(rise) * math.sin(turn)]
        return numpy.array([right, down, forward])


FROM_A_CORNER = View()


@lru_cache(maxsize=4)
def rays(edge: int, view: View, pixels: int) -> numpy.ndarray:
    """Returns the number of the voxel in a cube of S^3 at each step of each ray, [steps, P * P] int32, nearest first;
    S^3 outside of the cube. The picture is as wide as the cube's diagonal."""
    reach = edge * math.sqrt(3) / 2
    across = ((numpy.arange(pixels) + 0.5) / pixels * 2 - 1) * reach
    steps = math.ceil(2 * reach * STEPS_A_VOXEL)
    along = ((numpy.arange(steps) + 0.5) / steps * 2 - 1) * reach
    right, down, forward = view.axes
    numbers, inside = numpy.zeros((steps, pixels, pixels), numpy.int32), numpy.ones((steps, pixels, pixels), bool)
    for axis in range(3):
        place = edge / 2 + (along[:, None, None] * forward[axis] + across[None, :, None] * down[axis]
                            + across[None, None, :] * right[axis])
        index = numpy.floor(place).astype(numpy.int32)
        inside &= (index >= 0) & (index < edge)
        numbers = numbers * edge + index
    numbers[~inside] = edge**3
    return numbers.reshape(steps, -1)


def render(full: numpy.ndarray, view: View = FROM_A_CORNER, pixels: int = PIXELS) -> numpy.ndarray:
    """Returns the picture of a shape, bool [S, S, S], as uint8 [P, P]: brighter where it faces the lamp, which is above
    on the left, and where it is near."""
    numbers = rays(len(full), view, pixels)
    hits = numpy.append(full.ravel(), False)[numbers]
    first = hits.argmax(0)
    is_hit = hits[first, numpy.arange(hits.shape[1])]
    voxels = numbers[first, numpy.arange(hits.shape[1])][is_hit]
    facing = (normals(full).reshape(-1, 3)[voxels] @ (LIGHT @ view.axes)).clip(0, 1)
    nearness = 1 - first[is_hit] / len(numbers)
    picture = numpy.full(hits.shape[1], BACKGROUND, numpy.uint8)
    picture[is_hit] = numpy.rint(255 * (AMBIENT + BY_LIGHT * facing + BY_DEPTH * nearness)).astype(numpy.uint8)
    return picture.reshape(pixels, pixels)


def normals(full: numpy.ndarray) -> numpy.ndarray:
    """Returns unit vectors out of a shape, bool [S, S, S] -> [S, S, S, 3]: the slope of the share of full voxels in
    cubes of 3^3, downwards; 0 where there is none."""
    smooth = numpy.pad(full.astype(numpy.float32), 2)
    for axis in range(3):
        smooth = sum(numpy.roll(smooth, shift, axis) for shift in (-1, 0, 1)) / 3
    slopes = -numpy.stack(numpy.gradient(smooth), -1)[2:-2, 2:-2, 2:-2]
    lengths = numpy.linalg.norm(slopes, axis=-1, keepdims=True)
    return numpy.divide(slopes, lengths, out=numpy.zeros_like(slopes), where=lengths > 1e-6)


def pictures_of(shapes: Tensor, threshold: float = 0.5, pixels: int = PIXELS) -> Tensor:
    """shapes [N, 1, S, S, S] from 0 to 1 -> pictures uint8 [N, 1, P, P]; a voxel is full above the threshold"""
    full = (shapes.squeeze(1) > threshold).numpy()
    return torch.from_numpy(numpy.stack([render(each, pixels=pixels) for each in full])).unsqueeze(1)
