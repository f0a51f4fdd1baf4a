"""Latents with a structure: codes beside noise (InfoGAN), and a ring of Gaussians (adversarial autoencoder)."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import Count, Positive, WholeNumber, integer, list_of, one_of
from saddlepoint.game.latents import DISTRIBUTIONS, Latents
from saddlepoint.game.random_streams import RandomStreams


class StructuredLatents(Latents):
    """Latents [noise, categorical codes, continuous codes]: Chen et al. 2016, section 7, https://arxiv.org/abs/1606.03657

    A categorical code of K values is one-hot and uniform; a continuous code is uniform on [-1, 1). The rest is noise.

    size: numbers in all, noise and codes
    categorical: number of values of each categorical code, 2 or more each
    continuous: how many continuous codes there are
    distribution: of the noise, normal: N(0, 1), or uniform on [low, high)
    """

    def __init__(self, size: Count, categorical: Annotated[Sequence[int], list_of(integer(2), empty=True)],
                 continuous: WholeNumber, distribution: Annotated[str, one_of(*DISTRIBUTIONS)] = "normal",
                 low: float = -1.0, high: float = 1.0):
        if distribution not in DISTRIBUTIONS:
            raise ValueError(f"model.latents.distribution={distribution} must be normal or uniform beside codes")
        super().__init__(size, distribution, low, high)
        self.categorical, self.continuous = tuple(categorical), continuous
        self.code_size = sum(self.categorical) + continuous
        self.noise_size = size - self.code_size
        if not self.code_size:
            raise ValueError("model.latents.categorical=[] and model.latents.continuous=0 leave no code: set one of "
                             "them, e.g. model.latents.categorical=[10]")
        if self.noise_size < 0:
            raise ValueError(f"model.latents.size={size} is less than the {self.code_size} numbers of the codes "
                             f"(model.latents.categorical, continuous): type model.latents.size={self.code_size}")

    def draw(self, random: RandomStreams, count: int) -> Tensor:
        if self.distribution == "normal":
            noise = random.normal("latents", (count, self.noise_size))
        else:
            noise = self.low + (self.high - self.low) * random.uniform("latents", (count, self.noise_size))
        chosen = [(random.integers("categorical", values, (count,)), values) for values in self.categorical]
        # not F.one_hot, which looks whether the numbers are small enough
        codes = [(each[:, None] == torch.arange(values, device=each.device)).to(noise) for each, values in chosen]
        return torch.cat([noise, *codes, 2 * random.uniform("continuous", (count, self.continuous)) - 1], 1)

    def codes(self, latents: Tensor) -> Tensor:
        """latents [N, size] -> their codes [N, code_size]: one-hot blocks, then the continuous codes"""
        return latents[:, self.noise_size:]

    def split(self, codes: Tensor) -> tuple[list[Tensor], Tensor]:
        """codes [N, code_size] -> a tensor [N, K] for each categorical code, and the continuous ones [N, continuous]"""
        *categorical, continuous = codes.split([*self.categorical, self.continuous], 1)
        return categorical, continuous

    @property
    def num_codes(self) -> int:
        """How many codes there are. Code 1 is the first categorical one; the continuous ones come after the last."""
        return len(self.categorical) + self.continuous

    def num_values(self, code: int) -> int:
        """Returns the number of values of a categorical code, numbered from 1; 0 for a continuous one."""
        return self.categorical[code - 1] if code <= len(self.categorical) else 0

    def with_code(self, latents: Tensor, code: int, values: Tensor) -> Tensor:
        """Returns a copy of `latents` [N, size] in which a code, numbered from 1, has the given values.

        values: [N], whole numbers from 0 for a categorical code, any numbers for a continuous one
        """
        latents, num_values = latents.clone(), self.num_values(code)
        if num_values:
            start = self.noise_size + sum(self.categorical[:code - 1])
            latents[:, start:start + num_values] = F.one_hot(values.long(), num_values).to(latents)
        else:
            latents[:, self.noise_size + sum(self.categorical) + code - 1 - len(self.categorical)] = values.to(latents)
        return latents

    def between(self, start: Tensor, end: Tensor, steps: int) -> Tensor:
        """Returns `steps` points [steps, size]: noise as in Latents, codes on the straight line."""
        parts = self.noise_size, self.code_size
        (noise, codes), (last_noise, last_codes) = start.split(parts), end.split(parts)
        line = torch.lerp(codes, last_codes, torch.linspace(0, 1, steps).unsqueeze(1))
        return torch.cat([super().between(noise, last_noise, steps), line], 1)


    def on_path(self, start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
        """Returns points [N, size]: noise as in Latents, codes on the straight line."""
        parts = self.noise_size, self.code_size
        (noise, codes), (last_noise, last_codes) = start.split(parts, 1), end.split(parts, 1)
        line = torch.lerp(codes.double(), last_codes.double(), fraction).float()
        return torch.cat([super().on_path(noise, last_noise, fraction), line], 1)


class RingOfGaussians(Latents):
    """A mixture of Gaussians whose means are on a circle: Makhzani et al. 2015, figure 2, https://arxiv.org/abs/1511.05644

    The first two dimensions are the plane of the circle; in the others, if there are any, the means are 0.

    size: dimensions, 2 or more
    radius: of the circle, above 0
    modes: number of Gaussians, 1 or more
    standard_deviation: of each Gaussian, in every dimension, above 0
    """

    def __init__(self, size: Annotated[int, integer(2)] = 2, radius: Positive = 2.0, modes: Count = 10,
                 standard_deviation: Positive = 0.2):
        reach = radius + 3 * standard_deviation
        super().__init__(size, "uniform", -reach, reach)  # for what reads a range; walks are straight lines
        self.radius, self.modes, self.standard_deviation = radius, modes, standard_deviation

    def draw(self, random: RandomStreams, count: int) -> Tensor:
        angle = 2 * math.pi / self.modes * random.integers("modes", self.modes, (count,))
        points = self.standard_deviation * random.normal("latents", (count, self.size))
        points[:, 0] += self.radius * angle.cos()
        points[:, 1] += self.radius * angle.sin()
        return points
