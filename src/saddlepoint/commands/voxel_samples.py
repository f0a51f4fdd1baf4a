"""Draws shapes of voxels from a trained run for sample.py: a picture of them, the voxels as an array, and meshes.

N shapes of S x S x S voxels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from torch import Tensor

from saddlepoint.commands.sample_archives import OF_PICTURES
from saddlepoint.data.describing import counted, listed
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.sampling import meshes, pictures
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.voxel_pictures import pictures_of

COUNT = 16  # shapes, unless count= says otherwise
OF_GRIDS = ("columns", "steps", "training")  # settings of pictures that shapes have as well, or with other defaults
OF_VOXELS = {"mesh": None, "threshold": 0.5}  # settings that other runs have no use for, with their defaults


@dataclass(frozen=True)
class Shapes:
    """Shapes [N, 1, S, S, S] from 0 to 1 to be written.

    name: of the picture's file, without ending
    threshold: a voxel is full above it
    columns: pictures in a row; None: as square as can be
    """

    name: str
    voxels: Tensor
    threshold: float
    columns: int | None


def refuse_settings_of_voxels(settings: Mapping[str, Any]) -> None:
    """Raises a RequestError for settings of voxels, where a run makes none."""
    for name, default in OF_VOXELS.items():
        if settings[name] != default:
            raise RequestError(f"{name}={settings[name]} is for runs of voxels, e.g. of model=gan3d, and this run "
                               f"makes none: leave {name}= out")


def compose(generator: SamplingGenerator, settings: Mapping[str, Any]) -> Shapes:
    """Draws shapes 0 to count - 1 of a seed. Raises a RequestError for settings that lay out images."""
    typed = [f"{name}=" for name, default in OF_PICTURES.items()
             if name not in (*OF_GRIDS, *OF_VOXELS) and settings[name] != default]
    if typed:
        raise RequestError(f"This run makes shapes of voxels, and {listed(typed)} {'is' if len(typed) == 1 else 'are'} "
                           f"for images: leave {listed(typed)} out")
    if settings["class"] is not None:
        generator.require_classes(f"class={settings['class']}")
    seed, count = settings["seed"], settings["count"] or COUNT
    return Shapes(f"seed{seed}_count{count}", generator.sample(count, seed), settings["threshold"], settings["columns"])


def write(shapes: Shapes, output: Path, mesh: str | None) -> list[Path]:
    """Writes the picture, beside it the voxels as a NumPy array [N, S, S, S] float32 from 0 to 1, and with `mesh` a
    surface of each shape in a folder; prints and returns their paths."""
    count, edge, array = len(shapes.voxels), shapes.voxels.shape[-1], output.with_suffix(".npy")
    voxels = shapes.voxels.squeeze(1).numpy()
    surfaces = [meshes.surface(each, shapes.threshold) for each in voxels] if mesh else []
    pictures.write_png(output, pictures.grid(pictures_of(shapes.voxels, shapes.threshold), shapes.columns))
    write_atomically(array, lambda temporary: _save(temporary, voxels), durably=False)
    print(f"{counted(count, 'shape')} of {edge} x {edge} x {edge} voxels: {output}", f"as numbers: {array}", sep="\n")
    folder = output.with_suffix("")
    files = [folder / f"{number:06d}.{mesh}" for number, surface in enumerate(surfaces) if surface]
    for file, surface in zip(files, filter(None, surfaces), strict=True):
        meshes.write(file, surface)
    if mesh:
        empty = count - len(files)
        without = f", and {empty} without a voxel above threshold={shapes.threshold}, which have none" if empty else ""
        print(f"{counted(len(files), 'mesh', 'meshes')} in {folder}{without}")
    return [output, array, *files]


def _save(path: Path, voxels: numpy.ndarray) -> None:
    with path.open("wb") as stream:
        numpy.save(stream, voxels)
