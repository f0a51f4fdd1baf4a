"""Reads shapes as voxels from .npy and .npz files, which are never unpickled.

N shapes of S x S x S voxels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.data.array_files import ENDINGS, StoredArray, open_arrays, require_numbers
from saddlepoint.errors import RequestError

TOLERANCE = 1e-6  # by which numbers may be beyond 0 and 1, from rounding


def files_in(root: Path, setting: str) -> list[Path]:
    """Returns the files that a file or a folder stands for, in the order of their names."""
    if root.is_file():
        if root.suffix.lower() not in ENDINGS:
            raise RequestError(f"{setting}={root} is no .npy or .npz file, and voxels are read from these: save them "
                               "with numpy.save or numpy.savez")
        return [root]
    found = [path for path in root.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")] if (
        root.is_dir()) else []
    if not found:
        problem = "has no .npy or .npz file" if root.is_dir() else "does not exist"
        raise RequestError(f"{setting}={root} {problem}: type {setting}=FILE.npy, FILE.npz or a folder of such files")
    return sorted(found)


def read_voxels(paths: Sequence[Path], name: str | None, edge: int) -> Tensor:
    """Returns the shapes of all files, uint8 [N, 1, S, S, S] from 0 (empty) to 255 (full).

    An array is [N, D, H, W], [N, 1, D, H, W], or [D, H, W] of one shape, bool, whole numbers 0 and 1, uint8 from 0 to
    255, or floats from 0 to 1. Smaller cubes get empty voxels around them.

    name: of the array in .npz files; None: the only one that can be voxels
    """
    return torch.cat([_fitted(array, _levels(array), edge) for array in (_array_of(path, name) for path in paths)])


def _array_of(path: Path, name: str | None) -> StoredArray:
    """Returns the array of voxels in a file."""
    arrays = open_arrays(path)
    if "" in arrays:
        array = arrays[""]
    else:
        possible = [each for each, array in arrays.items() if len(array.shape) in (3, 4, 5)]
        chosen = name or (possible[0] if len(possible) == 1 else None)
        if chosen not in arrays:
            there = ", ".join(f"{each} {list(array.shape)}" for each, array in arrays.items()) or "none"
            raise RequestError(f"{path} has no array called {name}: there are {there}; type data.array=NAME" if name
                               else f"{path} does not say which array has the voxels (there are {there}): type "
                                    "data.array=NAME")
        array = arrays[chosen]
    require_numbers(array)
    shape = array.shape
    if len(shape) not in (3, 4, 5) or len(shape) == 5 and shape[1] != 1 or not all(shape):
        raise RequestError(f"{path}: {array.label} has the shape {list(shape)}, and voxels are [N, D, H, W], "
                           "[N, 1, D, H, W], or [D, H, W] of one shape")
    if array.kind.kind not in "buif":
        raise RequestError(f"{path}: {array.label} has numbers of kind {array.kind}, and voxels are bool, uint8 or "
                           "floats from 0 to 1")
    return array


def _levels(array: StoredArray) -> Tensor:
    """Returns the voxels of an array as uint8 [N, D, H, W] from 0 to 255."""
    numbers = array.unpacked()
    numbers = numbers.reshape(-1, *numbers.shape[-3:])
    if numbers.dtype == bool:
        return torch.from_numpy(numbers.astype(numpy.uint8) * 255)
    lowest, highest = numbers.min(), numbers.max()
    if numbers.dtype.kind in "ui" and lowest >= 0 and highest <= 1:
        return torch.from_numpy(numbers.astype(numpy.uint8) * 255)
    if numbers.dtype == numpy.uint8:
        return torch.from_numpy(numbers.copy())
    if numbers.dtype.kind in "ui" or not (lowest >= -TOLERANCE and highest <= 1 + TOLERANCE):  # NaN fails it too
        raise RequestError(f"{array.file.path}: {array.label} has numbers from {lowest:g} to {highest:g}, and voxels "
                           "are 0 (empty) to 1 (full), or uint8 to 255: save ARRAY > THRESHOLD")
    return torch.from_numpy(numpy.rint(numbers.astype(numpy.float64).clip(0, 1) * 255).astype(numpy.uint8))


def _fitted(array: StoredArray, levels: Tensor, edge: int) -> Tensor:
    """[N, D, H, W] -> [N, 1, S, S, S] with empty voxels around smaller shapes"""
    sides = levels.shape[1:]
    if max(sides) > edge:
        raise RequestError(f"{array.file.path}: {array.label} has shapes of {' x '.join(map(str, sides))} voxels, more "
                           f"than data.edge={edge}: type data.edge={_next_power(max(sides))}")
    around = [number for side in reversed(sides) for number in ((edge - side) // 2, edge - side - (edge - side) // 2)]
    return functional.pad(levels, around).unsqueeze(1)


def _next_power(edge: int) -> int:
    return 1 << (edge - 1).bit_length()
