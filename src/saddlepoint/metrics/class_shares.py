"""Compares how often a classifier sees each class among fakes and among real images. N fakes, K classes."""

import math
from dataclasses import replace
from typing import Annotated, Any

from torch import Tensor

from saddlepoint.config.rules import one_of
from saddlepoint.metrics.extractors.extractor import ModeRule
from saddlepoint.metrics.metric import Measurement, Sample
from saddlepoint.metrics.mode_coverage import CountedModes, counts_of

DISTANCES = ("total_variation", "chi_square")
WORDS = "the class that the extractor holds most probable"


class ClassShares(CountedModes):
    """The distance between the shares p of the classes among the fakes and q among the real images, where the
    extractor's classifier decides on both: 0 if every class is as frequent as in the data. The details have the share
    of each class among the fakes.

    As the same classifier looks at both, what it confuses cancels for the most part. It says nothing of how the images
    of a class look, nor whether a class was asked for (label_accuracy). A sample of the data itself has a distance
    above 0, so the value of a perfect generator stands beside it.

    distance: total_variation, sum_k |p_k - q_k| / 2, the share of fakes that would have to be of another class, from 0
        to 1 (Levin and Peres 2017, Markov Chains and Mixing Times, section 4.1, https://pages.uoregon.edu/dlevin/MARKOV);
        or chi_square, sum_k (p_k - q_k)^2 / q_k, which weighs rare classes more (Pearson 1900,
        https://doi.org/10.1080/14786440009463897)
    """

    name = "class_shares"
    greater_is_better = False
    needs_modes = False  # classes are the modes here, and any classifier tells them apart
    needs_classes = True
    needs_logits = True
    needs_real_logits = True

    def __init__(self, distance: Annotated[str, one_of("total_variation", "chi_square")] = "total_variation"):
        if distance not in DISTANCES:
            raise ValueError(f"metrics.class_shares.distance={distance} must be {' or '.join(DISTANCES)}")
        self.distance = distance

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        rule = ModeRule(WORDS, fake.logits.shape[1])
        real, fake = (replace(each, modes=each.logits.argmax(1).cpu(), mode_rule=rule) for each in (real, fake))
        measurement = super().measure(real, fake, seed, resamples)
        shares = shares_of(counts_of(fake.modes, rule))
        return replace(measurement, details={**{str(label): share for label, share in enumerate(shares.tolist())},
                                             **measurement.details})

    def own_settings(self) -> dict[str, Any]:
        return {"distance": self.distance}

    def of_counts(self, counts: Tensor, of_reals: Tensor) -> float:
        fake, real = shares_of(counts), shares_of(of_reals)
        if self.distance == "total_variation":
            return (fake - real).abs().sum().item() / 2
        there = real > 0
        if (fake[~there] > 0).any():
            return math.inf
        return ((fake - real)[there].square() / real[there]).sum().item()

    def why_none(self, counts: Tensor, of_reals: Tensor) -> str:
        unknown = int(((counts > 0) & (of_reals == 0)).sum())
        if self.distance == "chi_square" and unknown:
            return (f"fakes are of {unknown} classes of which no real image is, where chi_square is infinite: "
                    "metrics.class_shares.distance=total_variation has a value")
        return ""

    def bounds(self, num_modes: int) -> tuple[float, float]:
        return 0.0, 1.0 if self.distance == "total_variation" else math.inf


def shares_of(counts: Tensor) -> Tensor:
    """Returns the shares [K] of the classes: numbers of images [K + 1], of which the last, of no class, is 0."""
    return counts[:-1].double() / counts[:-1].sum()
