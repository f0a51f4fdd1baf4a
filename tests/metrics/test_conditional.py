"""Metrics of single classes, with samples made so that their values are known."""

import pytest
import torch

from saddlepoint.metrics.conditional import ClassFrechetDistance, LabelAccuracy
from tests.metrics.features import normal, sample, setup


def recognised(classes: list[int], labels: list[int]):
    """Fakes asked for as `labels`, that the classifier takes for `classes`."""
    logits = normal(len(classes), 4, seed=0) + 10 * torch.nn.functional.one_hot(torch.tensor(classes), 4)
    return sample(logits=logits, labels=torch.tensor(labels))


def test_accuracy_is_the_share_of_fakes_recognised_as_what_was_asked_for():
    fake = recognised(classes=[0, 0, 1, 2, 2, 2], labels=[0, 0, 1, 1, 2, 0])
    measured = LabelAccuracy().measure(sample(), fake, seed=0, resamples=0)
    assert measured.value == pytest.approx(4 / 6) and measured.interval is None
    assert measured.details == {"0": pytest.approx(2 / 3), "1": 0.5, "2": 1}


def test_accuracy_of_labels_that_are_obeyed_is_1_and_of_swapped_ones_0():
    assert LabelAccuracy().measure(sample(), recognised([0, 1, 2, 3], [0, 1, 2, 3]), 0, 0).value == 1
    assert LabelAccuracy().measure(sample(), recognised([0, 1, 2, 3], [1, 0, 3, 2]), 0, 0).value == 0


def test_the_interval_of_an_accuracy_is_about_two_standard_errors_each_way():
    """p = 3/4 of 400: 1.96 sqrt(3/16 / 400)"""
    fake, half_width = recognised([0, 0, 0, 1] * 100, [0] * 400), 1.96 * (3 / 16 / 400) ** 0.5
    state = torch.get_rng_state()
    first, again, other = (LabelAccuracy().measure(sample(), fake, seed, 1000).interval for seed in (1, 1, 2))
    assert first == pytest.approx((0.75 - half_width, 0.75 + half_width), abs=0.15 * half_width)
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_class_fid_of_shifted_classes_is_the_mean_squared_shift():
    """Equal covariances: |m1 - m2|^2. Shifts (1, 0, 0), (0, 2, 0), (0, 0, 3): 1, 4, 9"""
    real, labels = normal(90, 3, seed=1), torch.arange(3).repeat(30)
    fake = real + torch.diag(torch.tensor([1.0, 2.0, 3.0]))[labels]
    measured = ClassFrechetDistance().measure(sample(real, labels=labels), sample(fake, labels=labels), 0, 0)
    assert measured.details == pytest.approx({"0": 1, "1": 4, "2": 9}, rel=1e-5)
    assert measured.value == pytest.approx(14 / 3, rel=1e-5)


def test_class_fid_of_stretched_classes_is_the_squared_change_of_the_deviations():
    """Centred features and twice these: tr(S + 4 S - 2 sqrt(4 S S)) = tr(S), with the covariance S over N - 1"""
    real, labels = normal(40, 3, seed=2), torch.arange(40) // 20
    for label in (0, 1):
        real[labels == label] -= real[labels == label].mean(0)
    fake = torch.where(labels[:, None] == 0, 2 * real, real)
    measured = ClassFrechetDistance().measure(sample(real, labels=labels), sample(fake, labels=labels), 0, 0)
    assert measured.details["0"] == pytest.approx(real[:20].double().var(0).sum().item(), rel=1e-4)
    assert measured.details["1"] == pytest.approx(0, abs=1e-5)


def test_class_fid_sees_classes_that_are_mixed_up_and_the_order_of_images_does_not_matter():
    """All images together are the same set; the classes are 3 apart in each of 2 features: 18"""
    labels = torch.arange(60) % 2
    real = normal(30, 2, seed=3).repeat_interleave(2, 0) + 3 * labels[:, None]
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    fake = sample(real[order], labels=1 - labels[order])
    assert ClassFrechetDistance().measure(sample(real, labels=labels), fake, 0, 0).value == pytest.approx(18, rel=1e-5)


def test_models_that_are_not_conditional_are_refused():
    for metric in (LabelAccuracy(), ClassFrechetDistance()):
        assert "conditional" in metric.problem(setup(labelled=False))
    assert "knows none" in LabelAccuracy().problem(setup(labelled=True, num_classes=0))
    assert LabelAccuracy().problem(setup(labelled=True, same_classes=True)) is None


def test_classes_with_fewer_images_than_the_features_need_are_refused_with_the_numbers():
    metric = ClassFrechetDistance()
    assert metric.problem(setup(labelled=True, num_features=4, class_counts=((5, 9), (6, 5)))) is None
    sentence = metric.problem(setup(labelled=True, num_features=4, class_counts=((5, 9, 3), (6, 5, 4))))
    assert "class_fid_digits needs 5" in sentence and "3 real images of class 2" in sentence
    assert "4 fakes of class 0" in metric.problem(setup(labelled=True, class_counts=((5, 9), (4, 5))))


def test_real_images_without_classes_are_no_class_to_compare_with():
    counts = ((90, 0, 0), (30, 30, 30))
    sentence = ClassFrechetDistance().problem(setup(labelled=True, num_real=90, class_counts=counts))
    assert "all there are count as class 0 (those of a folder have no classes)" in sentence
