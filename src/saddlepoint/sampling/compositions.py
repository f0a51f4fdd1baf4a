"""Composes pictures of images of a seed, rows of classes, and walks. N images of C channels and H x W pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saddlepoint.sampling.generator import SamplingGenerator, listed


@dataclass(frozen=True)
class Picture:
    name: str                    # of its file: what makes it what it is
    images: Tensor               # [N, C, H, W] in [-1, 1], row by row
    columns: int | None          # of the grid; None: as square as can be
    files: Sequence[str | None]  # name of each image as a file; None: an empty place
    about: str = ""              # said after the number of images
    legend: str = ""             # a line of its own


def of_seed(generator: SamplingGenerator, seed: int, count: int, columns: int | None, label: int | None) -> Picture:
    """Composes images 0 .. count - 1 of a seed."""
    images = generator.sample(count, seed, labels=label)
    return Picture(f"{prefix(label)}seed{seed}_count{count}", images, columns, numbered(count), of(generator, label))


def of_every_class(generator: SamplingGenerator, seed: int, count: int, layout: str) -> Picture:
    """Composes images 0 .. count - 1 of a seed as each learnt class in turn: a row (or column) is one class, and
    images of the same latents are aligned."""
    classes = generator.classes_learnt
    class_names = listed([generator.class_names[label] for label in classes])
    names = [f"class{label}_{file}" for label in classes for file in numbered(count)]
    images = torch.cat([generator.sample(count, seed, labels=label) for label in classes])
    columns, legend = count, f"rows from the top: {class_names}"
    if layout == "columns":
        turned = torch.arange(len(images)).view(-1, count).T.flatten()  # image i of every class, i = 0, 1, ...
        images, names = images[turned], [names[index] for index in turned]
        columns, legend = len(classes), f"columns from the left: {class_names}"
    return Picture(f"classes_seed{seed}_count{count}" + ("_columns" if layout == "columns" else ""), images, columns,
                   names, f", {count} of each class", legend)


def walk(generator: SamplingGenerator, seeds: Sequence[int], steps: int, label: int | None) -> Picture:
    """Composes a row of `steps` images from the first of each seed to that of the next; of one class, or from the
    class of one to the class of the other."""
    ends = [generator.latents.of_images(seed, 0, 1)[0] for seed in seeds]
    latents = torch.cat([generator.latents.between(start, end, steps) for start, end in legs(ends)])
    labels = [label if label is not None else int(generator.labels_of_images(seed, 0, 1)) for seed in seeds]
    start, end = (torch.tensor(each).repeat_interleave(steps) for each in zip(*legs(labels), strict=True))
    images = generator.between_classes(latents, start, end, fractions(steps).repeat(len(seeds) - 1))
    name = f"{prefix(label)}walk{'-'.join(map(str, seeds))}_steps{steps}"
    about = of(generator, label) if label is not None or not generator.num_classes else along(generator, labels)
    return Picture(name, images, steps, numbered(len(images)), about)


def walk_between_classes(generator: SamplingGenerator, labels: Sequence[int], seed: int, count: int,
                         steps: int) -> Picture:
    """Composes, for each class and the next, `count` rows of `steps` images whose latents stay the same."""
    latents = generator.latents.of_images(seed, 0, count).repeat_interleave(steps, 0)
    rows = [generator.between_classes(latents, torch.full((count * steps,), start), torch.full((count * steps,), end),
                                      fractions(steps).repeat(count)) for start, end in legs(labels)]
    name = f"classwalk{'-'.join(map(str, labels))}_seed{seed}_count{count}_steps{steps}"
    images = torch.cat(rows)
    return Picture(name, images, steps, numbered(len(images)), along(generator, labels))


def legs(places: Sequence) -> list[tuple]:
    """Returns each place paired with the next."""
    return list(zip(places, places[1:], strict=False))


def fractions(steps: int) -> Tensor:
    return torch.linspace(0, 1, steps)


def numbered(count: int) -> list[str]:
    return [f"{index:06d}" for index in range(count)]


def prefix(label: int | None) -> str:
    return "" if label is None else f"class{label}_"


def of(generator: SamplingGenerator, label: int | None) -> str:
    return "" if label is None else f" of {generator.title_of(label)}"


def along(generator: SamplingGenerator, labels: Sequence[int]) -> str:
    return " from " + " to ".join(map(generator.title_of, labels))
