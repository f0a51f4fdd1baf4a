"""Measures which modes of the data a generator makes, and how evenly. N fakes, K modes.

Beside each value stands what a perfect generator would have with as many fakes. A finite sample of the data itself
misses rare modes and has a divergence of about (K - 1) / (2 N), and points of a Gaussian lie outside of three standard
deviations now and then. So a value says little without it: below about 0.03 the divergence of 1,000 modes is noise.
"""

import math
from abc import abstractmethod
from typing import Annotated, Any

import numpy
import torch
from torch import Tensor

from saddlepoint.config.rules import one_of
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.bootstrap import ONE_IMAGE, centred_interval, interval_of_mean, resampling_weights
from saddlepoint.metrics.comparable import PERFECT, PERFECT_STD
from saddlepoint.metrics.extractors.extractor import ModeRule
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup

DRAWS = 200  # samples of the real images of which the value of a perfect generator is the mean
NONE = -1  # the mode of what belongs to none
MOST_TOLD = 100  # modes whose shares are listed
LOGARITHMS = {"natural": 1.0, 10: math.log(10)}  # base -> what nats are divided by
REFERENCES = ("uniform", "data")


class CountedModes(Metric):
    """A metric that is a function of how many fakes are in each mode. A subclass says which, in `of_counts`."""

    needs_modes = True

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        rule = fake.mode_rule
        of_reals, counts = counts_of(real.modes, rule), counts_of(fake.modes, rule)
        value, perfect = self.of_counts(counts, of_reals), self.of_perfect(of_reals, len(fake.modes), seed)
        interval, reason = None, self.why_none(counts, of_reals)
        if resamples and not reason:
            interval, reason = self.interval(value, fake.modes, of_reals, rule, seed, resamples)
        return Measurement(value, interval, settings_of(rule, of_reals) | self.own_settings(), perfect, reason)

    @abstractmethod
    def of_counts(self, counts: Tensor, of_reals: Tensor) -> float:
        """Returns the value; both [K + 1] int64, numbers of images in each mode and, last, in none."""

    def own_settings(self) -> dict[str, Any]:
        """Returns what its definition leaves open, for the protocol."""
        return {}

    def why_none(self, counts: Tensor, of_reals: Tensor) -> str:
        """Returns why there is no value; empty if there is one."""
        return ""

    def bounds(self, num_modes: int) -> tuple[float, float]:
        """Returns the lowest and the highest value there can be."""
        return 0.0, math.inf

    def of_perfect(self, of_reals: Tensor, count: int, seed: int) -> dict[str, float]:
        """Returns mean and standard deviation of the value of `count` images that are drawn anew from the real ones,
        for the details. They are as those of a generator that has learned the real images' modes, and nothing is
        assumed of these."""
        draws = numpy.random.default_rng(seed_of(seed, 0, f"{self.name} of a perfect generator"))
        shares = of_reals.double().numpy() / float(of_reals.sum())
        samples = torch.from_numpy(draws.multinomial(count, shares, size=DRAWS))
        values = torch.tensor([self.of_counts(sample, of_reals) for sample in samples], dtype=torch.float64)
        return {PERFECT: values.mean().item(), PERFECT_STD: values.std().item()}

    def interval(self, value: float, modes: Tensor, of_reals: Tensor, rule: ModeRule, seed: int,
                 resamples: int) -> tuple[tuple[float, float] | None, str]:
        """Returns the 95 % interval for the choice of fakes, modes [N], and why there is none."""
        if len(modes) < 2:
            return None, ONE_IMAGE
        drawn = [counts_of(modes, rule, weights)
                 for weights in resampling_weights(len(modes), seed_of(seed, 0, self.name), resamples)]
        values = torch.tensor([self.of_counts(counts, of_reals) for counts in drawn], dtype=torch.float64)
        if not values.isfinite().all():
            return None, "so few fakes belong to a mode that some resamples have none of them"
        lowest, highest = self.bounds(rule.count)
        low, high = centred_interval(value, values)
        return (max(low, lowest), min(high, highest)), ""


class Modes(CountedModes):
    """The number of modes with at least one fake, from 0 to K (Metz et al. 2017, section 3.3.1,
    https://arxiv.org/abs/1611.02163). Where the extractor leaves out what is of low quality, a fake of low quality
    counts for none (PacGAN, Lin et al. 2018, section 4.1, https://arxiv.org/abs/1712.04086).
    """

    name = "modes"
    greater_is_better = True

    def of_counts(self, counts: Tensor, of_reals: Tensor) -> float:
        return float((counts[:-1] > 0).sum())

    def bounds(self, num_modes: int) -> tuple[float, float]:
        return 0.0, float(num_modes)


class ModeDivergence(CountedModes):
    """KL(p || q) = sum_k p_k log(p_k / q_k), where p_k is the share of mode k among the fakes that belong to a mode:
    0 if they are spread as q, and log K if q is uniform and all are in one mode (PacGAN as for Modes, who call it the
    reverse divergence).

    There is no value if no fake belongs to a mode, and none if a fake is in a mode in which q has nothing.

    reference: q. `uniform`: 1 / K, as in published tables; `data`: the shares of the real images
    logarithm: `natural`, as in PacGAN's code, or 10, as in that of self-conditioned GANs, which makes values
        2.303 times smaller
    """

    name = "mode_kl"
    greater_is_better = False

    def __init__(self, reference: Annotated[str, one_of("uniform", "data")] = "uniform",
                 logarithm: Annotated[str | int, one_of("natural", 10)] = "natural"):
        if reference not in REFERENCES:
            raise ValueError(f"metrics.mode_kl.reference={reference} must be {' or '.join(REFERENCES)}")
        if logarithm not in LOGARITHMS:
            raise ValueError(f"metrics.mode_kl.logarithm={logarithm} must be natural or 10")
        self.reference, self.logarithm = reference, logarithm

    def own_settings(self) -> dict[str, Any]:
        return {"reference": self.reference, "logarithm": self.logarithm}

    def of_counts(self, counts: Tensor, of_reals: Tensor) -> float:
        target = torch.ones(len(counts) - 1) if self.reference == "uniform" else of_reals[:-1]
        return divergence(counts[:-1], target) / LOGARITHMS[self.logarithm]

    def why_none(self, counts: Tensor, of_reals: Tensor) -> str:
        if not counts[:-1].any():
            return f"none of {int(counts.sum()):,} fakes belongs to a mode"
        if self.reference == "data" and not of_reals[:-1].any():
            return "no real image belongs to a mode: metrics.mode_kl.reference=uniform has a value"
        unknown = int(((counts > 0) & (of_reals == 0))[:-1].sum())
        if self.reference == "data" and unknown:
            return (f"fakes are in {unknown:,} modes in which no real image is, where the divergence from the data is "
                    "infinite: metrics.mode_kl.reference=uniform has a value")
        return ""


class HighQuality(Metric):
    """The share of fakes, from 0 to 1, that belong to a mode by the extractor's rule (VEEGAN, Srivastava et al. 2017,
    section 4.1, https://arxiv.org/abs/1705.07761).

    A perfect generator has the share of real images that do: 98.89 % for points of the plane within three standard
    deviations. More than that means modes narrower than the data's, not better points.
    """

    name = "high_quality"
    greater_is_better = True
    needs_modes = True

    def problem(self, setup: Setup) -> str | None:
        if (problem := super().problem(setup)) or setup.mode_rule.leaves_out:
            return problem
        return (f"{self.name} needs a rule by which a fake may belong to no mode, and {setup.extractor} assigns each "
                "to one, whatever its quality")

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        belongs, of_reals = (fake.modes != NONE).double(), counts_of(real.modes, fake.mode_rule)
        interval = interval_of_mean(belongs, seed_of(seed, 0, self.name), resamples) if resamples else None
        perfect = (real.modes != NONE).double().mean().item()
        deviation = math.sqrt(perfect * (1 - perfect) / len(belongs))
        return Measurement(belongs.mean().item(), interval, settings_of(fake.mode_rule, of_reals),
                           {PERFECT: perfect, PERFECT_STD: deviation},
                           ONE_IMAGE if resamples and len(belongs) < 2 else "")


def counts_of(modes: Tensor, rule: ModeRule, weights: Tensor | None = None) -> Tensor:
    """Returns how many images there are in each mode and, last, in none, [K + 1] int64: modes [N], weights [N] how
    often each counts (None: once)."""
    numbers = modes.cpu().where(modes.cpu() != NONE, rule.count)
    return numbers.bincount(weights, minlength=rule.count + 1).long()


def divergence(counts: Tensor, target: Tensor) -> float:
    """Returns KL(counts / their sum || target / its sum) in nats; nan without counts, inf where only counts are.
    counts, target [K]."""
    shares, expected = (each.double() / each.double().sum() for each in (counts, target))
    return torch.special.xlogy(shares, shares).sub(torch.special.xlogy(shares, expected)).sum().item()


def settings_of(rule: ModeRule, of_reals: Tensor) -> dict[str, Any]:
    """Returns how modes were told apart and how often the data has each, for the protocol. Of stacks these are shares
    of single labels, e.g. of the ten digits."""
    shares = of_labels(of_reals[:-1].double() / of_reals[:-1].sum().clamp(min=1), rule)
    settings: dict[str, Any] = {"rule": rule.words}
    if rule.accuracy is not None:
        settings["accuracy"] = rule.accuracy
    if len(shares) <= MOST_TOLD:
        settings["shares_of_data"] = [round(share, 4) for share in shares.tolist()]
    return settings


def of_labels(shares: Tensor, rule: ModeRule) -> Tensor:
    """Returns the share of each label over all places of the words: shares of words [labels^length] -> [labels]."""
    words = shares.view((rule.labels,) * rule.length)
    places = [words.sum([other for other in range(rule.length) if other != place]) if rule.length > 1 else words
              for place in range(rule.length)]
    return torch.stack(places).mean(0)
