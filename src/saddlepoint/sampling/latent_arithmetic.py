"""Adds and subtracts the latents of chosen images, as the DCGAN paper does with smiles and glasses (Radford, Metz and
Chintala 2016, section 6.3.2 and figure 7, https://arxiv.org/abs/1511.06434).

Each term is the mean latents of a few images that share a property, since one image's latents have other properties
too. N chosen images, M points in the latent space of `size` dimensions."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from saddlepoint.game.latents import Latents
from saddlepoint.game.random_streams import seed_of
from saddlepoint.sampling.compositions import Picture, class_prefix, describe_class
from saddlepoint.sampling.generator import SamplingGenerator

NEARBY = 0.25  # size of the noise that is added to the result, relative to the latents', as in the paper
SIDE = 3  # images: the result is in the middle of a square of SIDE x SIDE images with noise

Terms = list[tuple[int, list[int]]]  # sign (1 or -1) and numbers of images of each term


def parse_terms(text: str) -> Terms:
    """Reads the value of arithmetic=: `1,2,3-4,5+7` -> [(1, [1, 2, 3]), (-1, [4, 5]), (1, [7])]."""
    groups = re.findall(r"([+-]?)([^+-]+)", text)
    return [(-1 if sign == "-" else 1, [int(number) for number in re.findall(r"\d+", group)]) for sign, group in groups]


def compose_arithmetic(generator: SamplingGenerator, text: str, seed: int, label: int | None) -> Picture:
    """Composes a picture of the sum `text`: a column for each term, with its images and below them that of their mean
    latents, and on the right the result in a square of images with similar latents."""
    terms = parse_terms(text)
    chosen = [torch.cat([generator.latents.of_images(seed, number, 1) for number in numbers]) for _, numbers in terms]
    means = torch.stack([each.mean(0) for each in chosen])
    result = sum(sign * mean for (sign, _), mean in zip(terms, means, strict=True))
    square = result + nearby_noise(generator.latents, seed)
    points = limit_to_trained(torch.cat([means, square]), torch.cat(chosen), generator.latents)
    latents = torch.cat([*chosen, points])
    labels = None if label is None else torch.full((len(latents),), label)
    images = generator.of_latents(latents, labels)
    cells = arrange(terms)
    blank = torch.full_like(images[:1], -1.0)  # black, as the gaps of a grid
    order = torch.tensor([len(latents) if index is None else index for row in cells for index in row])
    names = [*file_names(terms), None]
    typed_sum = "".join(f"{'-' if sign < 0 else '+'}{'_'.join(map(str, numbers))}" for sign, numbers in terms)
    return Picture(f"{class_prefix(label)}seed{seed}_arithmetic{typed_sum.removeprefix('+')}",
                   torch.cat([images, blank])[order], len(cells[0]),
                   [names[index] for index in order.tolist()], describe_class(generator, label),
                   "columns: the images of each term above their mean; on the right the result, among its neighbours")


def nearby_noise(latents: Latents, seed: int) -> Tensor:
    """Returns the noise that is added to the result, [SIDE^2, size], with zero in the middle: latents as they are drawn
    in training, shifted to mean 0, times NEARBY. For the paper's latents from U[-1, 1) that is its noise of +-0.25."""
    noise = latents.of_images(seed_of(seed, 0, "arithmetic"), 0, SIDE**2) - latents.centre()
    noise[SIDE**2 // 2] = 0
    return NEARBY * noise


def limit_to_trained(points: Tensor, chosen: Tensor, latents: Latents) -> Tensor:
    """Moves points [M, size] to the nearest ones that are like latents of training.

    Uniform latents, and those of a mixture, are clipped to their range in each dimension. Normal latents nearly all
    have the same length (White 2016, https://arxiv.org/abs/1609.04468, section 2.1), and a mean of n is shorter by a
    factor sqrt(n). So lengths are clipped to those of the shortest and the longest of the latents `chosen` [N, size];
    directions do not change.
    """
    if (limits := latents.limits()) is not None:
        return points.clamp(*limits)
    lengths, allowed = points.norm(dim=1, keepdim=True), chosen.norm(dim=1)
    return points * (lengths.clamp(allowed.min(), allowed.max()) / lengths.clamp(min=1e-12))


def arrange(terms: Terms) -> list[list[int | None]]:
    """Returns the rows of the picture. A cell is an index into [all chosen images, means, square]; None: it is
    empty."""
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
    """Returns the names of the images as files, in the order of the indices of `arrange`."""
    chosen = [f"term{index}_image{number:06d}" for index, (_, numbers) in enumerate(terms, 1) for number in numbers]
    means = [f"term{index}_mean" for index in range(1, len(terms) + 1)]
    square = [f"near{index}" for index in range(SIDE**2)]
    square[SIDE**2 // 2] = "result"
    return [*chosen, *means, *square]
