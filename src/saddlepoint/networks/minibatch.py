"""Layers by which a discriminator compares the images of a batch, so that fakes that are too much alike give
themselves away. What they compute is appended to the features from which the logit is made.

N images of a batch, all real or all fake, A features of each; C maps of h x w places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.config.rules import integer, mapping_of, optional

UNDER_ROOT = 1e-8  # is added to a variance before its root, whose slope is infinite at 0
SIZES = ("kernels", "dimensions")

Discrimination = Annotated[Mapping[str, int] | None, optional(mapping_of(integer(1)))]
Group = Annotated[int | None, optional(integer(2))]


class MinibatchDiscrimination(nn.Module):
    """Appends for each of B kernels how near the other images of the batch are: o_ib = sum over j != i of
    exp(-||M_ib - M_jb||_1), where M_i = f(x_i) T is B x C numbers.

    Salimans et al. 2016, section 3.2, https://arxiv.org/abs/1606.03498. The paper's formula also counts an image's
    nearness to itself, which is 1; its code does not, and neither does this. Distances are float32 at least, as a sum
    of numbers near 1 would lose its digits in fewer bits.

    features: A, 1 or more
    kernels: B, 1 or more
    dimensions: C, numbers of each kernel, 1 or more
    """

    setting, group = "minibatch_discrimination", None  # what game.networks.ComparesImages has

    def __init__(self, features: int, kernels: int, dimensions: int):
        super().__init__()
        self.kernels = kernels
        self.tensor = nn.Linear(features, kernels * dimensions, bias=False)  # T, with the network's first weights

    def forward(self, features: Tensor) -> Tensor:
        """features [N, A], or maps [N, C, h, w] of A = C h w numbers -> [N, A + B]"""
        features = features.flatten(1)
        projected = self.tensor(features).unflatten(1, (self.kernels, -1))  # [N, B, C]
        projected = projected.to(torch.promote_types(projected.dtype, torch.float32))
        distances = (projected[:, None] - projected[None]).abs().sum(3)  # [N, N, B]
        nearness = (-distances).exp().sum(1) - 1  # without the image itself
        return torch.cat([features, nearness.to(features)], 1)


class MinibatchDeviation(nn.Module):
    """Appends how much the images of a group differ: the standard deviation of each feature at each place over the
    group, its mean over all of these, as one more map, or of vectors as one more number.

    Karras et al. 2018, section 3, https://arxiv.org/abs/1710.10196, there over the batch; groups are from its code.
    Images that follow each other are a group. Where a batch has others left, these are a smaller one; training refuses
    such batches.

    group: images, 2 or more
    """

    setting = "minibatch_stddev"

    def __init__(self, group: int):
        super().__init__()
        self.group = group

    def forward(self, features: Tensor) -> Tensor:
        """features [N, C, h, w] -> [N, C + 1, h, w], or [N, A] -> [N, A + 1]"""
        whole = len(features) // self.group * self.group
        parts = [part for part in features.split([whole, len(features) - whole]) if len(part)]
        values = torch.cat([_deviations(part, min(self.group, len(part))) for part in parts])
        values = values.view(-1, *[1] * (features.ndim - 1)).expand(-1, 1, *features.shape[2:])
        return torch.cat([features, values], 1)


def _deviations(features: Tensor, group: int) -> Tensor:
    """Returns the mean deviation of each image's group [N], N a multiple of the group."""
    grouped = features.unflatten(0, (-1, group))
    deviations = (grouped.var(1, correction=0) + UNDER_ROOT).sqrt()
    return deviations.flatten(1).mean(1).repeat_interleave(group, output_size=len(features))


@dataclass(frozen=True)
class Comparison:
    """The settings of a discriminator by which it compares the images of a batch; by default it does not.

    discrimination: `kernels` and `dimensions` of MinibatchDiscrimination, 1 or more each; None: without it
    group: of MinibatchDeviation, 2 or more images; None: without it
    """

    discrimination: Mapping[str, int] | None = None
    group: int | None = None

    def __post_init__(self) -> None:
        sizes, where = self.discrimination, "model.discriminator"
        require(sizes is None or isinstance(sizes, Mapping) and sizes.keys() == {*SIZES} and all(
            isinstance(size, int) and size >= 1 for size in sizes.values()), f"{where}.minibatch_discrimination", sizes,
            "null, or two whole numbers of at least 1, such as {kernels: 50, dimensions: 5}")
        require(self.group is None or isinstance(self.group, int) and self.group >= 2, f"{where}.minibatch_stddev",
                self.group, "null, or a whole number of at least 2 images, such as 4")

    def layers(self, features: int, places: int = 1) -> tuple[nn.Sequential, int]:
        """Returns the layers behind maps [N, features, h, w] of so many places, or behind vectors [N, features], and
        how many numbers there are after them; no layers where nothing is compared."""
        layers: list[nn.Module] = [MinibatchDeviation(self.group)] if self.group else []
        numbers = (features + len(layers)) * places
        if self.discrimination:
            layers.append(MinibatchDiscrimination(numbers, **self.discrimination))
            numbers += self.discrimination["kernels"]
        return nn.Sequential(*layers), numbers
