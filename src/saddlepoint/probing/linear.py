"""Linear classifiers of few labelled images, with their regularisation chosen by cross-validation on these images.

L labelled images, N images, D numbers of an image, K classes.
"""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from saddlepoint.game.random_streams import seed_of

FOLDS = 5  # of cross-validation; fewer if a class has fewer labelled images
STRENGTHS = tuple(10.0**exponent for exponent in range(-2, 5))  # C: how much errors count against the weights' squares
SCALINGS = ("common", "each")
CLASSIFIERS = ("svm", "logistic")


@dataclass(frozen=True)
class Probe:
    """A linear classifier.

    weights: [K, D]
    offsets: [K]
    classes: [K] int64, the label of each row
    strength: C, as cross-validation chose it
    scaling: `each` if every number was divided by its own deviation, `common` if all by the same
    """

    weights: Tensor
    offsets: Tensor
    classes: Tensor
    strength: float
    scaling: str

    def __call__(self, features: Tensor) -> Tensor:
        """features [N, D] -> labels [N]"""
        scores = features.double() @ self.weights.T + self.offsets
        return self.classes[scores.argmax(1)]


def fit(features: Tensor, labels: Tensor, classifier: str, seed: int) -> Probe:
    """Returns the linear classifier of labelled images whose accuracy in cross-validation is highest, among strengths
    of regularisation and scalings; of equal ones the most strongly regularised.

    Centring and scaling follow from the labelled images alone, without their labels, and make the mean squared length
    of an image's numbers 1, so that the same strengths serve any representation. The weights of a classifier with a
    penalty on their squares lie in the span of the images it learns from (Kimeldorf and Wahba 1971,
    https://doi.org/10.1016/0022-247X(71)90184-3), so it is fitted on the L coordinates in an orthonormal basis of that
    span: the same classifier, whatever D is.

    features: [L, D]
    labels: [L] int64, at least 2 images of each class
    classifier: `svm`, of squared hinge losses, one class against the others, as the DCGAN paper has it; or `logistic`
    seed: of the folds
    """
    folds = min(FOLDS, int(torch.unique(labels, return_counts=True)[1].min()))
    spaces = {name: _coordinates(features.double(), name) for name in SCALINGS}
    candidates = [(strength, scaling) for strength in STRENGTHS for scaling in SCALINGS]
    best = max(candidates, key=lambda each: _accuracy(
        spaces[each[1]].coordinates, labels.numpy(), _estimator(classifier, each[0]), folds, seed))
    strength, scaling = best
    space, estimator = spaces[scaling], _estimator(classifier, strength)
    with _unconverged_ones_allowed():
        estimator.fit(space.coordinates, labels.numpy())
    rows, offsets = torch.from_numpy(estimator.coef_), torch.from_numpy(numpy.atleast_1d(estimator.intercept_))
    if len(rows) == 1:  # of two classes scikit-learn has the scores of the second alone
        rows, offsets = torch.cat([-rows, rows]), torch.cat([-offsets, offsets])
    weights = rows @ space.basis / space.scale
    return Probe(weights, offsets - weights @ space.mean, torch.from_numpy(estimator.classes_), strength, scaling)


def balanced(labels: Tensor, count: int, seed: int, repeat: int) -> Tensor:
    """Returns the positions [count] of labelled images, as many of each class of `labels` [N] as can be: where `count`
    is no multiple of K, the first classes have one more. Raises a ValueError if a class has too few."""
    classes = labels.unique()
    generator = torch.Generator().manual_seed(seed_of(seed, repeat, "probe/labelled"))
    chosen = []
    for place, label in enumerate(classes.tolist()):
        members = (labels == label).nonzero().flatten()
        wanted = count // len(classes) + (place < count % len(classes))
        if len(members) < wanted:
            raise ValueError(f"class {label} has {len(members)} images, and {wanted} of each are needed")
        chosen.append(members[torch.randperm(len(members), generator=generator)[:wanted]])
    return torch.cat(chosen)


def errors(probes: list[Probe], blocks: Iterator[tuple[Tensor, Tensor]]) -> list[float]:
    """Returns the share of images, 0 to 1, that each probe gets wrong. `blocks`: features [N, D] with labels [N]; they
    are looked at one block at a time, so that not all need to fit into memory."""
    wrong, count = [0] * len(probes), 0
    for features, labels in blocks:
        count += len(labels)
        wrong = [before + int((probe(features) != labels).sum()) for before, probe in zip(wrong, probes, strict=True)]
    return [each / count for each in wrong]


@dataclass(frozen=True)
class _Space:
    """Labelled images in coordinates of their own: (features - mean) / scale = coordinates @ basis."""

    mean: Tensor  # [D]
    scale: Tensor  # [D], or of one number
    coordinates: numpy.ndarray  # [L, R]
    basis: Tensor  # [R, D], orthonormal rows


def _coordinates(features: Tensor, scaling: str) -> _Space:
    mean = features.mean(0)
    centred = features - mean
    deviations = centred.square().mean(0).sqrt()
    if scaling == "each":  # what never varies says nothing, and stays 0
        scale = torch.where(deviations > 0, deviations, 1.0) * max(int((deviations > 0).sum()), 1)**0.5
    else:
        scale = deviations.square().sum().sqrt().clamp(min=1e-12)
    columns, coordinates = torch.linalg.qr((centred / scale).T)
    return _Space(mean, scale, coordinates.T.contiguous().numpy(), columns.T)


def _estimator(classifier: str, strength: float):
    """Returns an unfitted classifier of scikit-learn, whose import takes a second."""
    if classifier == "svm":
        from sklearn.svm import LinearSVC
        return LinearSVC(C=strength, loss="squared_hinge", dual=False)
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression(C=strength, max_iter=1000)


def _accuracy(coordinates: numpy.ndarray, labels: numpy.ndarray, estimator, folds: int, seed: int) -> float:
    """Returns the share of images that a classifier gets right when it learns from the other folds; folds are
    balanced."""
    from sklearn.model_selection import StratifiedKFold
    right = 0
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed_of(seed, 0, "probe/folds"))
    with _unconverged_ones_allowed():
        for training, held_out in splits.split(coordinates, labels):
            estimator.fit(coordinates[training], labels[training])
            right += int((estimator.predict(coordinates[held_out]) == labels[held_out]).sum())
    return right / len(labels)


def _unconverged_ones_allowed() -> AbstractContextManager:
    """Keeps scikit-learn's warnings of weakly regularised candidates, which cross-validation judges anyway, off the
    screen."""
    from sklearn.exceptions import ConvergenceWarning
    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)
