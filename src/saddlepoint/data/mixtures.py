"""Mixtures of Gaussians, from which points are drawn whose modes are known.

N points of D coordinates, K modes, all of the same weight.
"""

import math

import torch
from torch import Tensor, nn

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.rules import Count, Positive, Seed

MODES = "data.mixture.modes"


class Mixture(nn.Module):
    """Draws points from p(x) = 1/K sum_k N(x; c_k, s^2 I), an equal-weight mixture of isotropic Gaussians.

    centres: c, [K, D] float32
    standard_deviation: s along each axis, 0 or more; with 0 the points are the centres themselves
    """

    def __init__(self, centres: Tensor, standard_deviation: float):
        super().__init__()
        self.register_buffer("centres", centres.float())
        self.standard_deviation = float(standard_deviation)

    @property
    def modes(self) -> int:
        return len(self.centres)

    @property
    def dimensions(self) -> int:
        """Returns D, the number of coordinates of a point."""
        return self.centres.shape[1]

    @property
    def degrees_of_freedom(self) -> int:
        """Returns in how many directions a mode has the width s: |x - c|^2 / s^2 is chi-squared with as many."""
        return self.dimensions

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns points [N, D] float32 and the mode of each, [N] int64 from 0 to K - 1."""
        modes = torch.randint(self.modes, (count,), generator=generator)
        return self.centres[modes] + self.standard_deviation * self.noise(count, generator), modes

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        """Returns what a point differs from its centre, in standard deviations: [N, D]."""
        return torch.randn(count, self.dimensions, generator=generator)


class Ring(Mixture):
    """Modes at equal distances on a circle in the plane, the first at (radius, 0).

    PacGAN (Lin et al. 2018, section 4.1, https://arxiv.org/abs/1712.04086) takes 8 modes on a radius of 1 and a
    standard deviation of 0.01, following VEEGAN (Srivastava et al. 2017, https://arxiv.org/abs/1705.07761).

    modes: 1 or more
    radius: above 0
    standard_deviation: of a mode along each axis, above 0
    """

    def __init__(self, modes: Count = 8, radius: Positive = 1.0, standard_deviation: Positive = 0.01):
        require_whole_numbers({MODES: modes})
        _require_positive(radius=radius, standard_deviation=standard_deviation)
        angles = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
        super().__init__(radius * torch.stack([angles.cos(), angles.sin()], dim=1), standard_deviation)


class Grid(Mixture):
    """Modes on a square lattice in the plane, whose middle is 0.

    PacGAN (as for Ring) takes 5 x 5 modes at -4, -2, 0, 2 and 4 and a standard deviation of 0.05.

    side: modes in a row and in a column, 1 or more
    spacing: from a mode to the next, above 0
    standard_deviation: of a mode along each axis, above 0
    """

    def __init__(self, side: Count = 5, spacing: Positive = 2.0, standard_deviation: Positive = 0.05):
        require_whole_numbers({"data.mixture.side": side})
        _require_positive(spacing=spacing, standard_deviation=standard_deviation)
        places = spacing * (torch.arange(side, dtype=torch.float64) - (side - 1) / 2)
        super().__init__(torch.cartesian_prod(places, places), standard_deviation)


class HighDimensionalMixture(Mixture):
    """Gaussians in a subspace of many dimensions, turned at random into a space of more.

    VEEGAN (as for Ring, section 4.1) has ten Gaussians of 700 dimensions in a space of 1,200. It publishes neither
    where the modes lie nor how wide they are. Here centres are drawn from N(0, spread^2 I) in the subspace, so two of
    them are about spread sqrt(2 subspace) apart, and a point is about standard_deviation sqrt(subspace) from its own.
    Values are therefore not those of the paper's table.

    modes: 1 or more
    dimensions: D, coordinates of a point
    subspace: directions in which points vary, 1 to D; the same for all modes
    spread: standard deviation of the centres along each of these, above 0
    standard_deviation: of a mode along each of these, above 0
    seed: fixes the centres and the subspace
    """

    def __init__(self, modes: Count = 10, dimensions: Count = 1200, subspace: Count = 700, spread: Positive = 1.0,
                 standard_deviation: Positive = 0.1, seed: Seed = 0):
        require_whole_numbers({MODES: modes, "data.mixture.dimensions": dimensions, "data.mixture.subspace": subspace})
        _require_positive(spread=spread, standard_deviation=standard_deviation)
        require(subspace <= dimensions, "data.mixture.subspace", subspace,
                f"at most data.mixture.dimensions={dimensions}: type data.mixture.subspace={dimensions}")
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(dimensions, subspace, generator=generator, dtype=torch.float64)
        basis = torch.linalg.qr(directions).Q  # [D, subspace], orthonormal columns
        within = spread * torch.randn(modes, subspace, generator=generator, dtype=torch.float64)
        super().__init__(within @ basis.T, standard_deviation)
        self.register_buffer("basis", basis.float())

    @property
    def degrees_of_freedom(self) -> int:
        return self.basis.shape[1]

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, self.degrees_of_freedom, generator=generator) @ self.basis.T


class Dirac(Mixture):
    """A single point at 0, the data of the Dirac-GAN (Mescheder et al. 2018, section 2.1,
    https://arxiv.org/abs/1801.04406).

    dimensions: D, coordinates of the point
    """

    def __init__(self, dimensions: Count = 1):
        require_whole_numbers({"data.mixture.dimensions": dimensions})
        super().__init__(torch.zeros(1, dimensions), 0.0)


def _require_positive(**settings: float) -> None:
    """Refuses each setting of the mixture that is not a finite number above 0."""
    for name, value in settings.items():
        require(math.isfinite(value) and value > 0, f"data.mixture.{name}", value, "a number above 0")
