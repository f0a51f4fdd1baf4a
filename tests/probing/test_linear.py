"""Linear classifiers of few labelled images, against scikit-learn on all numbers, and by hand."""

import numpy
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from saddlepoint.probing import linear


def two_kinds(count: int = 20, size: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of `size` numbers in three classes that a line does not quite separate."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3 + 4
    return torch.randn(count, size, generator=generator) + labels[:, None] * torch.linspace(0, 0.5, size), labels


@pytest.mark.parametrize(("classifier", "library"), [
    ("svm", lambda strength: LinearSVC(C=strength, loss="squared_hinge", dual=False, tol=1e-9, max_iter=10000)),
    ("logistic", lambda strength: LogisticRegression(C=strength, max_iter=10000, tol=1e-9)),
])
def test_a_classifier_in_the_span_of_its_images_is_that_of_all_their_numbers(classifier, library):
    features, labels = two_kinds()
    probe = linear.fit(features, labels, classifier, seed=0)
    centred = features.double() - features.double().mean(0)
    deviations = centred.square().mean(0).sqrt()
    scale = deviations * 60**0.5 if probe.scaling == "each" else deviations.square().sum().sqrt()
    direct = library(probe.strength).fit((centred / scale).numpy(), labels.numpy())
    others = torch.randn(50, 60, generator=torch.Generator().manual_seed(1)) + 1
    scores = direct.decision_function(((others.double() - features.double().mean(0)) / scale).numpy())
    ours = (others.double() @ probe.weights.T + probe.offsets).numpy()
    if classifier == "logistic":  # of its scores only differences between classes count
        scores, ours = (each - each.mean(1, keepdims=True) for each in (scores, ours))
    numpy.testing.assert_allclose(ours, scores, atol=2e-3 * abs(scores).max())
    assert torch.equal(probe.classes, torch.tensor([4, 5, 6]))


def test_two_classes_have_opposite_scores_and_numbers_that_never_vary_have_no_weight():
    features, labels = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2
    features[:, 0] += 10 * labels
    features[:, 3] = 7.0
    probe = linear.fit(features, labels, "svm", seed=0)
    torch.testing.assert_close(probe.weights[0], -probe.weights[1])
    torch.testing.assert_close(probe.offsets[0], -probe.offsets[1])
    assert torch.equal(probe(features), labels) and probe.weights[1, 0] > 0
    assert probe.weights[:, 3].abs().max() < 1e-9 * probe.weights.abs().max()


def test_cross_validation_chooses_the_scaling_under_which_the_classes_can_be_told_apart():
    """One number tells the classes, beside one of a thousand times its size that tells nothing."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 2
    features = torch.stack([labels + 0.1 * torch.randn(40, generator=generator),
                            1000 * torch.randn(40, generator=generator)], 1)
    probe = linear.fit(features, labels, "svm", seed=0)
    assert probe.scaling == "each" and torch.equal(probe(features), labels)


def test_as_many_of_each_class_are_labelled_and_others_the_next_time():
    labels = torch.tensor([5] * 30 + [2] * 20 + [9] * 10)
    first, second = (linear.balanced(labels, 13, seed=3, repeat=repeat) for repeat in (0, 1))
    assert torch.bincount(labels[first])[[2, 5, 9]].tolist() == [5, 4, 4] and len(first.unique()) == 13
    assert not torch.equal(first, second) and torch.equal(first, linear.balanced(labels, 13, seed=3, repeat=0))
    with pytest.raises(ValueError, match="class 9 has 10 images, and 11 of each are needed"):
        linear.balanced(labels, 33, seed=0, repeat=0)


def test_errors_are_shares_over_all_blocks():
    weights, offsets = torch.tensor([[-1.0], [1.0]]).double(), torch.zeros(2).double()
    probe = linear.Probe(weights, offsets, torch.tensor([0, 1]), 1, "each")  # 1 where the number is positive
    first = torch.tensor([[1.0], [-1.0], [2.0]]), torch.tensor([1, 0, 0])
    assert linear.errors([probe], iter([first, (torch.tensor([[3.0]]), torch.tensor([0]))])) == [0.5]
