"""Looks at points beside the mixture that they should be drawn from. N points of D coordinates, K modes."""

import hashlib
import math
from typing import Annotated

import torch
from torch import Tensor

from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import null_unless_chosen, number, one_of, optional
from saddlepoint.data.mixtures import Mixture
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor, ModeRule

IN_THE_PLANE = 3.0  # standard deviations, of every published rule there
RULES = {"euclidean": "Euclidean distance", "per_axis": "along each axis"}
FEWEST = 1e-3  # share of the data's own points that must be within a mode


class MixtureExtractor(Extractor):
    """Gives points as they are as features, and knows the modes of their mixture as classes.

    A point belongs to its nearest mode if it is no further from it than some standard deviations, else to none: then it
    is of low quality (VEEGAN, Srivastava et al. 2017, section 4.1, https://arxiv.org/abs/1705.07761). Logits are
    log N(x; c_k, s^2 I) up to a constant, -|x - c_k|^2 / (2 s^2).

    mixture: of the data; of a standard deviation of 0 there are features alone
    rule: the distance d from a mode. `euclidean` (VEEGAN, PacGAN): |x - c|; of a mode's own points of the plane 98.89 %
        are within 3. `per_axis` (self-conditioned GANs, Liu et al. 2020, https://arxiv.org/abs/2006.10728): the largest
        of |x_i - c_i|; 99.46 % are
    deviations: standard deviations within which a point belongs to a mode, above 0; None: 3 on a line and in the plane,
        and of more dimensions as many as hold the share that 3 hold in the plane
    """

    name = "mixture"
    resize = "none"

    def __init__(self, mixture: Annotated[Mixture | None, null_unless_chosen("data=ring, or other data of a mixture")],
                 rule: Annotated[str, one_of("euclidean", "per_axis")] = "euclidean",
                 deviations: Annotated[float | None, optional(number(0, above=True))] = None):
        super().__init__()
        if mixture is None:
            raise RequestError("extractor=mixture looks at points beside the mixture that data.mixture describes, and "
                               "there is none here: choose data with one, e.g. data=ring, or another extractor")
        if rule not in RULES:
            raise ValueError(f"extractor.rule={rule} must be one of {', '.join(RULES)}")
        if deviations is not None and not 0 < deviations < math.inf:
            raise ValueError(f"extractor.deviations={deviations} must be a number above 0, or null")
        if rule == "per_axis" and mixture.degrees_of_freedom < mixture.dimensions:
            raise ValueError(f"extractor.rule=per_axis must be euclidean for data.mixture, whose points vary in "
                             f"{mixture.degrees_of_freedom:,} directions that are not its {mixture.dimensions:,} axes: "
                             "type extractor.rule=euclidean")
        self.mixture, self.rule = mixture, rule
        self.num_features = mixture.dimensions
        self.digest = digest_of(mixture)
        self.requires_grad_(False).eval()
        if mixture.standard_deviation:
            self.num_classes = mixture.modes
            self.class_names = tuple(map(str, range(mixture.modes)))
            self.deviations = self.usual_deviations() if deviations is None else float(deviations)
            if self.share_within(self.deviations) < FEWEST:
                raise ValueError(f"extractor.deviations={deviations:g} must be larger for data.mixture, of whose own "
                                 f"points {self.share_within(self.deviations):.1%} are as near as that to their modes: "
                                 f"type extractor.deviations={self.usual_deviations():.4g}")
            short = f"{self.deviations:.4g}"  # two that are typed and differ have different words
            exactly = short if deviations is None or float(short) == self.deviations else repr(self.deviations)
            words = (f"within {exactly} standard deviations ({RULES[rule]}) of the nearest of "
                     f"{mixture.modes} centres")
            self.mode_rule = ModeRule(words, mixture.modes, leaves_out=True)

    @property
    def why_no_modes(self) -> str:
        return "the modes of data.mixture have no width (standard deviation 0), so that no point is within one"

    def share_within(self, deviations: float) -> float:
        """Returns the share of a mode's own points that are within so many standard deviations: P(chi^2_D <= t^2) by
        the Euclidean rule, erf(t / sqrt 2)^D by axes. It is what a perfect generator has, if modes lie apart."""
        if self.rule == "per_axis":
            return math.erf(deviations / math.sqrt(2)) ** self.mixture.dimensions
        half = torch.tensor([self.mixture.degrees_of_freedom / 2, deviations**2 / 2], dtype=torch.float64)
        return torch.special.gammainc(*half).item()

    def usual_deviations(self) -> float:
        """Returns 3; of more than 2 dimensions the number that holds the share that 3 hold in the plane."""
        if self.mixture.degrees_of_freedom <= 2:
            return IN_THE_PLANE
        in_the_plane = {"per_axis": math.erf(IN_THE_PLANE / math.sqrt(2)) ** 2,
                        "euclidean": 1 - math.exp(-IN_THE_PLANE**2 / 2)}[self.rule]
        low, high = IN_THE_PLANE, IN_THE_PLANE + 2 * math.sqrt(self.mixture.degrees_of_freedom)
        for _ in range(60):  # bisection, as the share rises
            middle = (low + high) / 2
            low, high = (middle, high) if self.share_within(middle) < in_the_plane else (low, middle)
        return high

    def check(self, channels: int, image_size: int | Sides) -> None:
        raise RequestError("extractor=mixture looks at points, and these are images: leave extractor= out, or type "
                           "extractor=random")

    def check_points(self, dimensions: int) -> None:
        if dimensions != self.mixture.dimensions:
            raise RequestError(f"extractor=mixture looks at points of {self.mixture.dimensions} coordinates, those of "
                               f"its mixture, and these have {dimensions}: leave extractor= out, so that it is the "
                               "data's own")

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """points [N, D] float32 -> features [N, D], logits [N, K] and modes [N], if the modes have a width"""
        if not self.mode_rule:
            return Embedding(images, None)
        offsets = (images[:, None] - self.mixture.centres) / self.mixture.standard_deviation  # [N, K, D]
        squared = offsets.square().sum(2)
        distances = offsets.abs().amax(2) if self.rule == "per_axis" else squared.sqrt()
        nearest, modes = distances.min(1)
        return Embedding(images, -squared / 2, modes=modes.where(nearest <= self.deviations, -1))


def digest_of(mixture: Mixture) -> str:
    """Returns the SHA-256 of a mixture's centres and standard deviation."""
    content = hashlib.sha256(repr((tuple(mixture.centres.shape), mixture.standard_deviation)).encode())
    content.update(mixture.centres.cpu().numpy().astype("<f4").tobytes())
    return content.hexdigest()
