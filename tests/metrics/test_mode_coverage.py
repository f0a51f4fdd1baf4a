"""Modes that are covered, missing or of low quality, with samples made so that the numbers are known."""

import math
import re
from itertools import product

import pytest
import torch

from saddlepoint.data.evaluation_points import EvaluationPoints
from saddlepoint.data.mixtures import Dirac, Ring
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.extractors.extractor import ModeRule
from saddlepoint.metrics.extractors.mixture import MixtureExtractor
from saddlepoint.metrics.extractors.stacked_digits import StackedDigits
from saddlepoint.metrics.frechet import FrechetDistance
from saddlepoint.metrics.images import EvaluationBlocks
from saddlepoint.metrics.inception_score import InceptionScore
from saddlepoint.metrics.mode_coverage import HighQuality, ModeDivergence, Modes, divergence
from saddlepoint.metrics.provenance import protocol, values
from tests.composing import CONF
from tests.metrics.features import sample, setup
from tests.metrics.stand_ins import BlockMeans, grey

RING = Ring(modes=8, standard_deviation=0.01)


def in_modes(*counts: int, of_none: int = 0, leaves_out: bool = True):
    """Images of which counts[k] are in mode k, and some in none"""
    numbers = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    modes = torch.cat([numbers, torch.full((of_none,), -1)])
    return sample(modes=modes, mode_rule=ModeRule("as it is told", len(counts), leaves_out=leaves_out))


def evenly(num_modes: int, each: int = 10):
    return in_modes(*[each] * num_modes)


def measured(metric, fake, real=None, seed=0, resamples=0):
    return metric.measure(real or evenly(fake.mode_rule.count), fake, seed, resamples)


# Values.


def test_a_mode_counts_with_one_fake_and_low_quality_counts_for_none():
    assert measured(Modes(), in_modes(5, 0, 1, 0, of_none=7)).value == 2
    assert measured(Modes(), in_modes(0, 0, of_none=3)).value == 0


def test_the_divergence_is_that_of_shares_among_fakes_of_high_quality():
    value = measured(ModeDivergence(), in_modes(6, 2, 0, 0, of_none=5)).value
    assert value == pytest.approx(0.75 * math.log(0.75 / 0.25) + 0.25 * math.log(0.25 / 0.25))


def test_a_collapse_has_the_divergence_log_k_and_an_even_spread_0():
    assert measured(ModeDivergence(), in_modes(0, 9, 0, 0, 0)).value == pytest.approx(math.log(5))
    assert measured(ModeDivergence(), evenly(5)).value == pytest.approx(0, abs=1e-12)


def test_base_10_divides_by_the_natural_logarithm_of_10():
    fake = in_modes(6, 2, 1, 0)
    natural, base_10 = (measured(ModeDivergence(logarithm=logarithm), fake) for logarithm in ("natural", 10))
    assert base_10.value == pytest.approx(natural.value / math.log(10))
    assert base_10.details["perfect"] == pytest.approx(natural.details["perfect"] / math.log(10))
    assert (natural.settings["logarithm"], base_10.settings["logarithm"]) == ("natural", 10)


def test_the_divergence_from_the_data_is_0_for_the_datas_own_shares():
    real = in_modes(60, 20, 20)
    assert measured(ModeDivergence("data"), in_modes(6, 2, 2), real).value == pytest.approx(0, abs=1e-12)
    assert measured(ModeDivergence("uniform"), in_modes(6, 2, 2), real).value > 0.1
    expected = 0.5 * math.log(0.5 / 0.6) + 0.25 * math.log(0.25 / 0.2) * 2
    assert measured(ModeDivergence("data"), in_modes(2, 1, 1), real).value == pytest.approx(expected)


def test_a_divergence_that_does_not_exist_has_a_reason():
    none = measured(ModeDivergence(), in_modes(0, 0, of_none=4), resamples=5)
    assert math.isnan(none.value) and none.interval is None and none.reason == "none of 4 fakes belongs to a mode"
    unknown = measured(ModeDivergence("data"), in_modes(3, 1, 1), in_modes(9, 0, 0)).reason
    assert unknown.startswith("fakes are in 2 modes in which no real image is")
    assert "no real image belongs" in measured(ModeDivergence("data"), in_modes(3), in_modes(0, of_none=5)).reason


def test_high_quality_is_the_share_within_a_mode():
    value = measured(HighQuality(), in_modes(2, 1, of_none=5), in_modes(3, 3, of_none=2))
    assert value.value == 3 / 8
    assert value.details == pytest.approx({"perfect": 6 / 8, "perfect_std": (0.75 * 0.25 / 8) ** 0.5})


@pytest.mark.parametrize("num_modes", [1, 3, 6])
def test_it_is_the_divergence_of_a_library(num_modes):
    counts, target = torch.randint(0, 5, (2, num_modes), generator=torch.Generator().manual_seed(num_modes)) + 1
    shares, expected = counts / counts.sum(), target / target.sum()
    theirs = torch.nn.functional.kl_div(expected.double().log(), shares.double(), reduction="sum").item()
    assert divergence(counts, target) == pytest.approx(theirs, abs=1e-6)


# What a perfect generator would have.


def expected_divergence(num_modes: int, count: int) -> float:
    """E KL = log K + K E[(X / N) log(X / N)] with X binomial(N, 1 / K), summed over all X, in nats"""
    numbers = torch.arange(1, count + 1, dtype=torch.float64)
    binomial = torch.distributions.Binomial(count, torch.tensor(1 / num_modes, dtype=torch.float64))
    shares = numbers / count
    return math.log(num_modes) + num_modes * (binomial.log_prob(numbers).exp() * shares * shares.log()).sum().item()


@pytest.mark.parametrize(("num_modes", "count"), [(2, 2), (8, 50), (25, 2500), (1000, 26_000), (1000, 10_000)])
def test_the_perfect_divergence_is_the_expected_one(num_modes, count):
    perfect = ModeDivergence().of_perfect(evenly(num_modes).modes.bincount(minlength=num_modes + 1), count, 0)
    error = perfect["perfect_std"] / 200 ** 0.5
    assert perfect["perfect"] == pytest.approx(expected_divergence(num_modes, count), abs=4 * error)


def test_published_floors_are_found_again():
    """of 1,000 modes that are equally likely; and (K - 1) / 2N, for many more fakes than modes"""
    assert expected_divergence(1000, 26_000) == pytest.approx(0.0193, abs=1e-4)
    assert expected_divergence(1000, 10_000) == pytest.approx(0.0509, abs=5e-4)
    assert expected_divergence(8, 100_000) == pytest.approx(7 / 200_000, rel=1e-3)


def test_the_table_of_the_documentation_is_right():
    page = (CONF.parent / "docs" / "metrics.md").read_text()
    table = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| (0\.\d{4}) \|$", page, re.MULTILINE)
    assert len(table) == 5
    for num_modes, count, shown in table:
        expected = expected_divergence(*(int(each.replace(",", "")) for each in (num_modes, count)))
        assert f"{expected:.4f}" == shown


def test_two_fakes_in_two_modes_by_counting_all_outcomes():
    outcomes = [math.log(2) if one == other else 0.0 for one, other in product(range(2), repeat=2)]
    assert expected_divergence(2, 2) == pytest.approx(sum(outcomes) / 4)


@pytest.mark.parametrize("shares", [(1, 1, 1, 1), (50, 30, 1, 1), (1, 2, 3, 4)])
def test_the_perfect_number_of_modes_is_the_expected_one(shares):
    """Mode k is seen with probability 1 - (1 - p_k)^N; 4 of 100 images are in no mode."""
    real = in_modes(*(each * 96 for each in shares), of_none=4 * sum(shares))
    perfect = Modes().of_perfect(real.modes.where(real.modes >= 0, 4).bincount(minlength=5), 20, 0)
    expected = sum(1 - (1 - 0.96 * each / sum(shares)) ** 20 for each in shares)
    assert perfect["perfect"] == pytest.approx(expected, abs=4 * perfect["perfect_std"] / 200 ** 0.5 + 1e-9)


def test_what_is_perfect_follows_from_the_seed():
    details = [measured(ModeDivergence(), evenly(5), seed=seed).details for seed in (0, 0, 1)]
    assert details[0] == details[1] != details[2]


# Intervals.


def test_the_interval_of_high_quality_is_that_of_a_proportion():
    half_width = 1.96 * (0.9 * 0.1 / 400) ** 0.5
    low, high = measured(HighQuality(), in_modes(360, of_none=40), resamples=1000).interval
    assert (low, high) == pytest.approx((0.9 - half_width, 0.9 + half_width), abs=0.15 * half_width)


def test_the_interval_of_a_divergence_is_that_of_the_delta_method():
    """Of two modes: the derivative of KL by p is log(p / (1 - p)), and p varies by sqrt(p (1 - p) / N)."""
    half_width = 1.96 * math.log(0.8 / 0.2) * (0.8 * 0.2 / 1000) ** 0.5
    found = measured(ModeDivergence(), in_modes(800, 200), resamples=1000)
    low, high = found.interval
    assert (high - low) / 2 == pytest.approx(half_width, rel=0.15) and low < found.value < high


def test_intervals_stay_within_what_there_can_be():
    low, high = measured(Modes(), in_modes(1, 1, 1, 1, 96), resamples=50).interval
    assert low < 5 and high == 5
    assert measured(ModeDivergence(), in_modes(50, 50), resamples=50).interval[0] == 0
    assert measured(Modes(), in_modes(0, 9), resamples=9).interval == (1, 1)


def test_where_there_is_no_interval_the_reason_is_said():
    single = measured(Modes(), in_modes(1, 0), resamples=9)
    assert single.value == 1 and single.interval is None and "a single image" in single.reason
    rare = measured(ModeDivergence(), in_modes(1, 0, of_none=9), resamples=50)
    assert rare.value == pytest.approx(math.log(2)) and "some resamples have none" in rare.reason
    assert "a single image" in measured(HighQuality(), in_modes(1), resamples=9).reason


# Through the evaluator.


def ring(count: int, seed: int, mixture: Ring = RING) -> EvaluationPoints:
    points, modes = mixture.draw(count, torch.Generator().manual_seed(seed))
    return EvaluationPoints("ring", "train", points, modes)


def looked(fake: EvaluationPoints, resamples: int = 0, **settings):
    metrics = {metric.name: metric for metric in (Modes(), HighQuality(), ModeDivergence(), FrechetDistance())}
    evaluator = Evaluator(MixtureExtractor(RING, **settings), metrics, resamples=resamples)
    real = ring(4000, seed=0)
    reference, sample = evaluator.look_at_real(real), evaluator.look_at_fakes(EvaluationBlocks(fake))
    how = protocol(evaluator.extractor, real, reference, sample.count, 0, None, "none")
    return {value.name: value for value in values(evaluator.measure(reference, sample), how, None)}


def test_the_data_itself_is_as_a_perfect_generator():
    found = looked(ring(2500, seed=1), resamples=20)
    assert found["modes_mixture"].value == found["modes_mixture"].details["perfect"] == 8
    for name in ("high_quality_mixture", "mode_kl_mixture"):
        value, details = found[name].value, found[name].details
        assert abs(value - details["perfect"]) < 4 * details["perfect_std"]
        assert found[name].interval[0] <= value <= found[name].interval[1]
    assert found["high_quality_mixture"].value == pytest.approx(1 - math.exp(-4.5), abs=0.01)


def test_pacgans_protocol_on_points_made_by_hand():
    """Two modes, 6 and 2 points of high quality, and 2 points between modes"""
    centres = RING.centres
    at = torch.cat([centres[:1].repeat(6, 1), centres[3:4].repeat(2, 1) + 0.02, torch.zeros(2, 2)])
    found = looked(EvaluationPoints("fakes", "all", at, torch.zeros(10).long()))
    assert found["modes_mixture"].value == 2 and found["high_quality_mixture"].value == pytest.approx(0.8)
    assert found["mode_kl_mixture"].value == pytest.approx(0.75 * math.log(6) + 0.25 * math.log(2))


def test_their_protocol_says_how_modes_are_told_apart():
    how = looked(ring(100, seed=1), rule="per_axis")["mode_kl_mixture"].protocol
    shares = how.settings["shares_of_data"]
    assert how.settings["rule"] == "within 3 standard deviations (along each axis) of the nearest of 8 centres"
    assert (how.settings["reference"], how.settings["logarithm"], how.num_fake) == ("uniform", "natural", 100)
    assert len(shares) == 8 and sum(shares) == pytest.approx(1, abs=1e-3)
    assert (how.extractor, how.quantisation, how.resize, how.image_size) == ("mixture", "none", "none", None)


def test_fid_of_points_is_the_distance_of_two_gaussians():
    """|m - m'|^2 + tr(C + C' - 2 sqrt(C C')): a ring moved by (3, 4), and one twice as large"""
    moved, larger = ring(4000, seed=0), ring(4000, seed=0)
    moved.points = moved.points + torch.tensor([3.0, 4.0])
    larger.points = 2 * larger.points
    assert looked(moved)["fid_mixture"].value == pytest.approx(25, rel=1e-4)
    points = ring(4000, seed=0).points.double()
    expected = points.mean(0).square().sum() + points.T.cov().trace()  # of 2x: |m|^2 + tr(4C + C - 4C)
    assert looked(larger)["fid_mixture"].value == pytest.approx(expected.item(), rel=1e-5)


def test_modes_of_real_points_are_remembered_with_their_rule(tmp_path):
    def of_reals(rule):
        evaluator = Evaluator(MixtureExtractor(RING, rule), {"modes": Modes()}, cache=tmp_path)
        return evaluator.look_at_real(ring(500, seed=0)).modes

    first, again, other = of_reals("euclidean"), of_reals("euclidean"), of_reals("per_axis")
    assert first.equal(again) and not first.equal(other)
    assert len([*tmp_path.rglob("*.ckpt")]) == 2


# What cannot be measured.


def test_an_extractor_without_modes_is_refused_with_what_to_type():
    metrics = {metric.name: metric for metric in (Modes(), HighQuality(), ModeDivergence(), InceptionScore(1))}
    evaluator = Evaluator(BlockMeans(), metrics)
    problems = evaluator.problems(evaluator.setup(grey(100), 100))
    assert [*problems] == ["modes", "high_quality", "mode_kl"]
    assert problems["modes"] == ("modes needs an extractor that tells modes apart, and quarters tells none apart: type "
                                 "extractor=mixture for points, or extractor=stacked_digits for stacks of digits")
    evaluator = Evaluator(MixtureExtractor(Dirac(2)), metrics)
    problems = evaluator.problems(evaluator.setup(ring(100, seed=0), 100))
    assert [*problems] == [*metrics] and "no width (standard deviation 0)" in problems["mode_kl"]


def test_high_quality_needs_a_rule_that_leaves_something_out():
    rule = StackedDigits(1).mode_rule
    assert Modes().problem(setup(mode_rule=rule)) is None
    assert "assigns each to one, whatever its quality" in HighQuality().problem(setup(mode_rule=rule))
    assert "a file of statistics has none" in Modes().problem(setup(mode_rule=rule, from_file=True))


def test_settings_that_name_no_divergence_are_refused():
    with pytest.raises(ValueError, match="metrics.mode_kl.reference=train must be uniform or data"):
        ModeDivergence(reference="train")
    with pytest.raises(ValueError, match="metrics.mode_kl.logarithm=2 must be natural or 10"):
        ModeDivergence(logarithm=2)
