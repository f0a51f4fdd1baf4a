"""Shares of classes, with samples made so that the distances are known."""

import math

import numpy
import pytest
import torch
from scipy.stats import chisquare

from saddlepoint.metrics.class_shares import ClassShares
from saddlepoint.metrics.evaluator import Evaluator
from tests.metrics.features import normal, sample, setup


def of_classes(*counts: int):
    """Images that the classifier takes for class k, counts[k] of them"""
    classes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return sample(logits=normal(len(classes), len(counts), 0) + 20 * torch.nn.functional.one_hot(classes, len(counts)))


def test_the_total_variation_is_the_share_of_fakes_that_would_have_to_be_of_another_class():
    measured = ClassShares().measure(of_classes(10, 10, 20), of_classes(5, 3, 12), 0, 0)
    assert measured.value == pytest.approx((abs(0.25 - 0.25) + abs(0.15 - 0.25) + abs(0.6 - 0.5)) / 2)
    assert {label: measured.details[label] for label in "012"} == pytest.approx({"0": 0.25, "1": 0.15, "2": 0.6})
    assert measured.settings["shares_of_data"] == [0.25, 0.25, 0.5]
    assert measured.settings["distance"] == "total_variation"


def test_chi_square_is_pearsons_statistic_divided_by_the_number_of_fakes():
    fakes, reals = numpy.array([5, 3, 12]), numpy.array([10, 10, 20])
    measured = ClassShares("chi_square").measure(of_classes(*reals), of_classes(*fakes), 0, 0)
    assert measured.value == pytest.approx(chisquare(fakes, 20 * reals / 40).statistic / 20)


@pytest.mark.parametrize(("distance", "farthest"), [("total_variation", 0.75), ("chi_square", 3.0)])
def test_equal_shares_are_at_0_and_a_single_class_of_four_is_far(distance, farthest):
    """One class alone: half of 3/4 and three times 1/4; and (3/4)^2 / (1/4) + 3 (1/4)^2 / (1/4)"""
    metric, even = ClassShares(distance), of_classes(5, 5, 5, 5)
    assert metric.measure(even, of_classes(9, 9, 9, 9), 0, 0).value == pytest.approx(0)
    assert metric.measure(even, of_classes(0, 8, 0, 0), 0, 0).value == pytest.approx(farthest)


def test_a_perfect_generator_has_the_expected_chi_square():
    """Pearson's statistic of K classes has the mean K - 1, here divided by the number of fakes."""
    measured = ClassShares("chi_square").measure(of_classes(100, 200, 300, 400), of_classes(9, 21, 33, 37), 0, 0)
    assert measured.details["perfect"] == pytest.approx(3 / 100, rel=0.2)


def test_the_interval_holds_the_value_and_stays_in_its_range():
    low, high = ClassShares().measure(of_classes(50, 50), of_classes(70, 30), 0, 300).interval
    half_width = 1.96 * (0.7 * 0.3 / 100) ** 0.5  # of two classes the distance is that of one share
    assert (low, high) == pytest.approx((0.2 - half_width, 0.2 + half_width), abs=0.02)
    assert ClassShares().measure(of_classes(50, 50), of_classes(50, 50), 0, 50).interval[0] == 0


def test_a_class_that_no_real_image_has_makes_chi_square_infinite_and_is_said():
    measured = ClassShares("chi_square").measure(of_classes(5, 5, 0), of_classes(5, 4, 1), 0, 0)
    assert measured.value == math.inf and "no real image is, where chi_square is infinite" in measured.reason
    assert ClassShares().measure(of_classes(5, 5, 0), of_classes(5, 4, 1), 0, 0).value == pytest.approx(0.1)


def test_it_needs_classes_and_the_real_images_themselves():
    assert "needs an extractor that knows classes" in ClassShares().problem(setup(num_classes=0))
    assert "a file of statistics has none" in ClassShares().problem(setup(from_file=True))
    assert ClassShares().problem(setup()) is None


def test_the_evaluator_keeps_the_logits_of_real_images_for_it(monkeypatch):
    looked = []
    evaluator = Evaluator(torch.nn.Linear(1, 1), {"class_shares": ClassShares()})
    evaluator.extractor.num_spatial = 0
    monkeypatch.setattr("saddlepoint.metrics.evaluator.EvaluationBlocks", lambda images, num_workers: images)
    monkeypatch.setattr("saddlepoint.metrics.evaluator.reference",
                        lambda images, extractor, keep, look, cache: looked.append(keep) or sample_on())
    evaluator.look_at_real(None)
    assert looked[0].logits and not looked[0].features


def sample_on():
    class Whole:
        def on(self, device):
            return self
    return Whole()


def test_another_distance_is_refused():
    with pytest.raises(ValueError, match="metrics.class_shares.distance=euclid must be total_variation or chi_square"):
        ClassShares("euclid")
    assert math.isinf(ClassShares("chi_square").bounds(3)[1])
