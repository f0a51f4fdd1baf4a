"""Composes pictures for sample.py: the images of a seed, rows of classes, grids of codes, and walks between latents or
classes.

N images of C channels and H x W pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.sampling.generator import SamplingGenerator, list_names


@dataclass(frozen=True)
class Picture:
    """Images that are drawn as one grid."""

    name: str                    # of its file, without ending; says how the images were drawn
    images: Tensor               # [N, C, H, W] in [-1, 1], row by row
    columns: int | None          # of the grid; None: as square as possible
    files: Sequence[str | None]  # name of each image as a file of its own; None: an empty place
    description: str = ""        # printed after the number of images
    legend: str = ""             # printed as a line of its own


def compose_seed(generator: SamplingGenerator, seed: int, count: int, columns: int | None,
                 label: int | None) -> Picture:
    """Composes images 0 .. count - 1 of a seed, all of one class if `label` is not None."""
    images = generator.sample(count, seed, labels=label)
    return Picture(f"{class_prefix(label)}seed{seed}_count{count}", images, columns, file_numbers(count),
                   describe_class(generator, label))


def compose_classes(generator: SamplingGenerator, seed: int, count: int, layout: str) -> Picture:
    """Composes images 0 .. count - 1 of a seed for each class that was learnt. A row (with layout=columns a column) is
    one class; images of the same latents are aligned."""
    classes = generator.classes_learnt
    class_names = list_names([generator.class_names[label] for label in classes])
    names = [f"class{label}_{file}" for label in classes for file in file_numbers(count)]
    images = torch.cat([generator.sample(count, seed, labels=label) for label in classes])
    columns, legend = count, f"rows from the top: {class_names}"
    if layout == "columns":
        order = torch.arange(len(images)).view(-1, count).T.flatten()  # image i of every class, i = 0, 1, ...
        images, names = images[order], [names[index] for index in order]
        columns, legend = len(classes), f"columns from the left: {class_names}"
    return Picture(f"classes_seed{seed}_count{count}" + ("_columns" if layout == "columns" else ""), images, columns,
                   names, f", {count} of each class", legend)


def compose_walk(generator: SamplingGenerator, seeds: Sequence[int], steps: int, label: int | None) -> Picture:
    """Composes a row of `steps` images from the first image of each seed to that of the next. They are of the class
    `label`; if it is None, each row goes from the class of its first image to that of its last."""
    ends = [generator.latents.of_images(seed, 0, 1)[0] for seed in seeds]
    labels = [label if label is not None else int(generator.labels_of_images(seed, 0, 1)) for seed in seeds]
    images = generator.walk(torch.stack(ends), steps, torch.tensor(labels))
    name = f"{class_prefix(label)}walk{'-'.join(map(str, seeds))}_steps{steps}"
    one_class = label is not None or not generator.num_classes
    description = describe_class(generator, label) if one_class else describe_classes(generator, labels)
    return Picture(name, images, steps, file_numbers(len(images)), description)


def compose_class_walk(generator: SamplingGenerator, labels: Sequence[int], seed: int, count: int,
                         steps: int) -> Picture:
    """Composes `count` rows of `steps` images from each class to the next. The images of a row have the same
    latents."""
    latents = generator.latents.of_images(seed, 0, count).repeat_interleave(steps, 0)
    rows = [generator.between_classes(latents, torch.full((count * steps,), start), torch.full((count * steps,), end),
                                      fractions(steps).repeat(count)) for start, end in neighbours(labels)]
    name = f"classwalk{'-'.join(map(str, labels))}_seed{seed}_count{count}_steps{steps}"
    images = torch.cat(rows)
    return Picture(name, images, steps, file_numbers(len(images)), describe_classes(generator, labels))


def compose_codes(generator: SamplingGenerator, codes: Sequence[int], seed: int, count: int, steps: int,
                  limits: tuple[float, float], label: int | None) -> Picture:
    """Composes a grid of codes: from column to column the first code changes, and from row to row the second. Images 0
    .. count - 1 of the seed give the noise and all other codes: with one code a row each, with two a block of rows."""
    latents, columns = vary_codes(generator.latents, codes, generator.latents.of_images(seed, 0, count), steps, limits)
    labels = generator.labels_of_images(seed, 0, count) if label is None else torch.full((count,), label)
    images = generator.of_latents(latents, labels.repeat_interleave(len(latents) // count))
    name = f"{class_prefix(label)}codes{'-'.join(map(str, codes))}_seed{seed}_count{count}"
    ways = [describe_code(generator.latents, code, limits) for code in codes]
    legend = f"columns from the left: {ways[0]}" + "".join(f"; rows from the top: {way}" for way in ways[1:])
    if not all(map(generator.latents.num_values, codes)):
        name += f"_steps{steps}_from{limits[0]:g}to{limits[1]:g}"
    return Picture(name, images, columns, file_numbers(len(images)), describe_class(generator, label), legend)


def vary_codes(latents: StructuredLatents, codes: Sequence[int], base: Tensor, steps: int,
               limits: tuple[float, float]) -> tuple[Tensor, int]:
    """Returns the latents of a grid, row by row, and its number of columns.

    base: latents [N, size] in which the codes are varied
    codes: number of the code that changes from column to column, then of the one that changes from row to row, if any
    steps: values of a continuous code, from limits[0] to limits[1]; a categorical code has all of its own
    """
    for code in reversed(codes):  # the last one changes most slowly
        num_values = latents.num_values(code)
        values = torch.arange(num_values) if num_values else torch.linspace(*limits, steps)
        base = latents.with_code(base.repeat_interleave(len(values), 0), code, values.repeat(len(base)))
    return base, len(values)


def describe_code(latents: StructuredLatents, code: int, limits: tuple[float, float]) -> str:
    num_values = latents.num_values(code)
    way = f"its {num_values} values" if num_values else f"from {limits[0]:g} to {limits[1]:g}"
    return f"code {code}, {way}"


def neighbours(places: Sequence) -> list[tuple]:
    """Returns each place paired with the next."""
    return list(zip(places, places[1:], strict=False))


def fractions(steps: int) -> Tensor:
    return torch.linspace(0, 1, steps)


def file_numbers(count: int) -> list[str]:
    return [f"{index:06d}" for index in range(count)]


def class_prefix(label: int | None) -> str:
    return "" if label is None else f"class{label}_"


def describe_class(generator: SamplingGenerator, label: int | None) -> str:
    return "" if label is None else f" of {generator.title_of(label)}"


def describe_classes(generator: SamplingGenerator, labels: Sequence[int]) -> str:
    return " from " + " to ".join(map(generator.title_of, labels))
