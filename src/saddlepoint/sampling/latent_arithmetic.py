"""Adds and subtracts latents of chosen images, as the DCGAN paper does with smiles and glasses.

Radford, Metz and Chintala 2016, section 6.3.2 and figure 7, https://arxiv.org/abs/1511.06434: the mean latents of a
few images that share something are less noisy than one image's; sums and differences of such means make a new image."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import seed_of
from saddlepoint.sampling.compositions import Picture, of, prefix
from saddlepoint.sampling.generator import SamplingGenerator

NEARBY = 0.25  # of the latents' own size: the noise around the result, as in the paper
SIDE = 3  # images: the result stands in the middle of a square of its neighbours

Terms = list[tuple[int, list[int]]]  # 1 or -1, and numbers of images


def terms_of(text: str) -> Terms:
    """`1,2,3-4,5+7` -> [(1, [1, 2, 3]), (-1, [4, 5]), (1, [7])]"""
    groups = re.findall(r"([+-]?)([^+-]+)", text)
    return [(-1 if sign == "-" else 1, [int(number) for number in re.findall(r"\d+", group)]) for sign, group in groups]


def arithmetic(generator: SamplingGenerator, text: str, seed: int, label: int | None) -> Picture:
    """A column for each term, its images above and their mean at the bottom; beside them the result, among images of
    latents near to it."""
    terms = terms_of(text)
    chosen = [torch.cat([generator.latents.of_images(seed, number, 1) for number in numbers]) for _, numbers in terms]
    means = torch.stack([each.mean(0) for each in chosen])
    result = sum(sign * mean for (sign, _), mean in zip(terms, means, strict=True))
    square = result + nearby(generator.latents, seed)
    points = as_trained(torch.cat([means, square]), torch.cat(chosen), generator.latents)
    latents = torch.cat([*chosen, points])
    labels = None if label is None else torch.full((len(latents),), label)
    images = generator.of_latents(latents, labels)
    cells = arrangement(terms)
    blank = torch.full_like(images[:1], -1.0)  # black, as the gaps of a grid
    order = torch.tensor([len(latents) if index is None else index for row in cells for index in row])
    names = [*file_names(terms), None]
    spelt = "".join(f"{'-' if sign < 0 else '+'}{'_'.join(map(str, numbers))}" for sign, numbers in terms)
    return Picture(f"{prefix(label)}seed{seed}_arithmetic{spelt.removeprefix('+')}", torch.cat([images, blank])[order],
                   len(cells[0]), [names[index] for index in order.tolist()], of(generator, label),
                   "columns: the images of each term above their mean; on the right the result, among its neighbours")


def nearby(latents: Latents, seed: int) -> Tensor:
    """-> [SIDE^2, size], zero in the middle: a quarter of latents as they are drawn, around 0. For the paper's U[-1, 1)
    that is its noise of +-0.25."""
    noise = latents.of_images(seed_of(seed, 0, "arithmetic"), 0, SIDE**2)
    if latents.distribution == "uniform":
        noise = noise - (latents.low + latents.high) / 2
    noise[SIDE**2 // 2] = 0
    return NEARBY * noise


def as_trained(points: Tensor, chosen: Tensor, latents: Latents) -> Tensor:
    """points [M, size] -> the nearest that are no stranger to the generator than the latents `chosen` [N, size].

    Uniform latents stay in their cube. Of normal ones the length tells (White 2016, https://arxiv.org/abs/1609.04468,
    section 2.1): a mean of n is shorter by a factor sqrt(n) than any seen in training, so lengths are brought between
    those of the shortest and the longest chosen. Directions, and what is within these bounds, stay as they are.
    """
    if latents.distribution == "uniform":
        return points.clamp(latents.low, latents.high)
    lengths, allowed = points.norm(dim=1, keepdim=True), chosen.norm(dim=1)
    return points * (lengths.clamp(allowed.min(), allowed.max()) / lengths.clamp(min=1e-12))


def arrangement(terms: Terms) -> list[list[int | None]]:
    """Returns the rows of the picture, as places in [all chosen images, means, square]; None is an empty place."""
    height = max(SIDE, 1 + max(len(numbers) for _, numbers in terms))
    num_chosen = sum(len(numbers) for _, numbers in terms)
    columns, first = [], 0
    for index, (_, numbers) in enumerate(terms):
        empty = [None] * (height - 1 - len(numbers))
        columns.append([*empty, *range(first, first + len(numbers)), num_chosen + index])
        first += len(numbers)
    columns.append([None] * height)
    square = num_chosen + len(terms)
    for column in range(SIDE):
        columns.append([None] * (height - SIDE) + list(range(square + column, square + SIDE**2, SIDE)))
    return [list(row) for row in zip(*columns, strict=True)]


def file_names(terms: Terms) -> Sequence[str]:
    """Returns the file names, in the order of `arrangement`'s places."""
    chosen = [f"term{index}_image{number:06d}" for index, (_, numbers) in enumerate(terms, 1) for number in numbers]
    means = [f"term{index}_mean" for index in range(1, len(terms) + 1)]
    square = [f"near{index}" for index in range(SIDE**2)]
    square[SIDE**2 // 2] = "result"
    return [*chosen, *means, *square]
