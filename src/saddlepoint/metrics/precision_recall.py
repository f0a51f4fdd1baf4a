"""Precision, recall, density and coverage, which are defined by balls around images in the space of features. The
radius of a ball is the distance of its image to its k-th nearest other.

N real images, M fakes, D features. Beside the features and one tile of distances, memory is O(N + M).
"""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from saddlepoint.config.rules import Count
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.bootstrap import ONE_IMAGE, interval_of_mean
from saddlepoint.metrics.distances import memoised, radii, tiles
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup


def in_closed_balls(centres: Tensor, points: Tensor, neighbours: int) -> Tensor:
    """Returns which of the points [m, D] lie in a ball or on its surface, [m] bool. There is a ball around each of the
    centres [n, D], whose radius is the distance to its neighbours-th nearest other centre."""
    reach, depth = radii(centres, neighbours), points.new_full((len(points),), -torch.inf, dtype=torch.float32)
    for rows, columns, distances in tiles(centres, points):
        depth[columns] = torch.maximum(depth[columns], (reach[rows, None] - distances).amax(0))
    return depth >= 0


class Contents(NamedTuple):
    """Which of m points lie in which of n balls, as counts."""

    balls: Tensor  # [m] int64: how many balls hold the point
    occupied: Tensor  # [n] bool: the ball holds a point


@memoised
def in_open_balls(centres: Tensor, points: Tensor, neighbours: int) -> Contents:
    """Counts the points [m, D] in the same balls around centres [n, D], without their surface."""
    reach, balls = radii(centres, neighbours), torch.zeros(len(points), dtype=torch.long, device=points.device)
    occupied = torch.zeros(len(centres), dtype=torch.bool, device=centres.device)
    for rows, columns, distances in tiles(centres, points):
        balls[columns] += (distances < reach[rows, None]).sum(0, dtype=torch.int32)
        occupied[rows] |= distances.amin(1) < reach[rows]
    return Contents(balls, occupied)


class _MeanOverImages(Metric):
    """A metric that is the mean of one value for each image. The interval resamples these values; the balls stay the
    same."""

    greater_is_better = True
    needs_features = True
    balls_around: ClassVar[str] = "real images"

    def __init__(self, neighbours: Count):
        if neighbours < 1:
            raise ValueError(f"metrics.{self.name}.neighbours={neighbours} must be at least 1: type "
                             f"metrics.{self.name}.neighbours=5")
        self.neighbours = neighbours

    def problem(self, setup: Setup) -> str | None:
        centres = setup.num_fake if self.balls_around == "fakes" else setup.num_real
        setting = f"metrics.{self.name}.neighbours"
        remedy = f"type {setting}={centres - 1}, or ask for more" if centres > 1 else "ask for more"
        return super().problem(setup) or (
            f"{self.name}_{setup.extractor} needs {self.neighbours + 1} {self.balls_around} or more, each with "
            f"{setting}={self.neighbours} others, and there are {centres}: {remedy}"
            if centres <= self.neighbours else None)

    @abstractmethod
    def values(self, real: Tensor, fake: Tensor) -> Tensor:
        """Returns one value for each fake [M], or for each real image [N]: features [N, D] and [M, D]."""

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        values = self.values(real.features, fake.features).double()
        interval = interval_of_mean(values, seed_of(seed, 0, self.name), resamples) if resamples else None
        reason = ONE_IMAGE if resamples and interval is None else ""
        return Measurement(values.mean().item(), interval, {"neighbours": self.neighbours}, reason=reason)


class Precision(_MeanOverImages):
    """The share of fakes that lie in the ball, surface included, of a real image: are fakes like real images?
    (Kynkaanniemi et al. 2019, section 2, https://arxiv.org/abs/1904.06991, which uses 3 neighbours)"""

    name = "precision"

    def __init__(self, neighbours: Count = 3):
        super().__init__(neighbours)

    def values(self, real: Tensor, fake: Tensor) -> Tensor:
        return in_closed_balls(real, fake, self.neighbours)


class Recall(_MeanOverImages):
    """The share of real images that lie in the ball, surface included, of a fake: are all kinds of real images made?
    (from the paper of precision)"""

    name = "recall"
    balls_around = "fakes"

    def __init__(self, neighbours: Count = 3):
        super().__init__(neighbours)

    def values(self, real: Tensor, fake: Tensor) -> Tensor:
        return in_closed_balls(fake, real, self.neighbours)


class Density(_MeanOverImages):
    """The number of real images whose ball, without its surface, holds a fake, divided by the number of neighbours;
    mean over fakes. It is 0 or more, and 1 on average if both distributions are the same. Unlike precision, it is not
    raised by single real images far from the others (Naeem et al. 2020, section 3, https://arxiv.org/abs/2002.09797,
    which uses 5 neighbours)."""

    name = "density"

    def __init__(self, neighbours: Count = 5):
        super().__init__(neighbours)

    def values(self, real: Tensor, fake: Tensor) -> Tensor:
        return in_open_balls(real, fake, self.neighbours).balls.double() / self.neighbours


class Coverage(_MeanOverImages):
    """The share of real images whose ball, without its surface, holds a fake. With k neighbours it is about 1 - 2^-k if
    both distributions are the same and there are as many fakes as real images (from the paper of density)."""

    name = "coverage"

    def __init__(self, neighbours: Count = 5):
        super().__init__(neighbours)

    def values(self, real: Tensor, fake: Tensor) -> Tensor:
        return in_open_balls(real, fake, self.neighbours).occupied
