"""Draws points from a trained run for sample.py: a picture of the cloud, and the points beside it as an array.

N points of D coordinates. Files of many points (format=npz) are in sample_archives.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from saddlepoint.commands.sample_archives import OF_PICTURES
from saddlepoint.data.describing import listed
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.metrics.images import GeneratedImages
from saddlepoint.sampling import pictures
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.plots import COLOURS, Chart

MARGIN = 1.1  # sides of the picture, as a multiple of the extent of the points
COUNT = 2500  # points, unless count= says otherwise: as many as the mode metrics are published for
FOR_IMAGES = ("steps", "training")  # settings with defaults of their own, or of pictures that are there already


@dataclass(frozen=True)
class Points:
    """Points [N, D] to be written. `name`: of the picture's file, without ending."""

    name: str
    points: Tensor


def compose(generator: SamplingGenerator, settings: Mapping[str, Any]) -> Points:
    """Draws points 0 to count - 1 of a seed, which are those that evaluate.py measures. Raises a RequestError for
    settings that lay out images."""
    typed = [f"{name}=" for name, default in OF_PICTURES.items()
             if name not in FOR_IMAGES and settings[name] != default]
    if typed:
        raise RequestError(f"This run makes points of {generator.dimensions} coordinates, and {listed(typed)} "
                           f"{'is' if len(typed) == 1 else 'are'} for images: leave {listed(typed)} out")
    if settings["class"] is not None:
        generator.require_classes(f"class={settings['class']}")
    seed, count = settings["seed"], settings["count"] or COUNT
    drawn = GeneratedImages(generator.generator, generator.latents, generator.class_distribution, seed, count)
    return Points(f"seed{seed}_count{count}", torch.cat([block.images.cpu() for _, block in drawn.blocks()]))


def write(points: Points, output: Path) -> list[Path]:
    """Writes the picture, and beside it the points as a NumPy array [N, D] float32; prints and returns their paths."""
    array = output.with_suffix(".npy")
    pictures.write_png(output, picture(points.points))
    write_atomically(array, lambda temporary: _save(temporary, points.points), durably=False)
    count, dimensions = points.points.shape
    shown = ", of which the picture shows the first two" if dimensions > 2 else ""
    print(f"{count:,} points of {dimensions} coordinate{'s' if dimensions > 1 else ''}{shown}: {output}",
          f"as numbers: {array}", sep="\n")
    return [output, array]


def picture(points: Tensor) -> Tensor:
    """Returns a chart of points [N, D], uint8 [3, height, width]: their first two coordinates, or the one they have."""
    shown = points[:, :2] if points.shape[1] > 1 else torch.cat([points, torch.zeros_like(points)], 1)
    lowest, highest = shown.amin(0), shown.amax(0)
    middle, reach = (lowest + highest) / 2, MARGIN * (highest - lowest).max().item() / 2 or 1.0
    (left, below), (right, above) = (middle - reach).tolist(), (middle + reach).tolist()
    chart = Chart((left, right, below, above), f"{len(points):,} points")
    chart.points(shown, COLOURS[1], radius=1)
    return chart.picture()


def _save(path: Path, points: Tensor) -> None:
    with path.open("wb") as stream:
        numpy.save(stream, points.numpy())
