"""Holds sums over images from which metrics are computed. Sums of batches and of processes can be added up.

N images, D features, K classes, S splits. All sums are float64, on the device of what is added up, and the host reads
none of them before they are complete.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy
import torch
from torch import Tensor
from torch.special import entr  # -p log p, and 0 where p is

from saddlepoint.errors import RequestError
from saddlepoint.game.device_memory import upload

CHUNK = 1024  # images whose features are copied to float64 at once


class Moments:
    """The number of images, the sum of their features [D] and that of the outer products of the features [D, D]."""

    stored = False  # they were computed here

    def __init__(self, num_features: int, device: torch.device | str = "cpu"):
        self.count = 0
        self._sum = torch.zeros(num_features, dtype=torch.float64, device=device)
        self._outer = torch.zeros(num_features, num_features, dtype=torch.float64, device=device)
        self._not_finite = torch.zeros((), dtype=torch.int64, device=device)  # images

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Returns the moments of features [N, D] float32."""
        moments = cls(features.shape[1], features.device)
        moments.update(features)
        moments.require_finite()
        return moments

    @classmethod
    def weighted(cls, features: Tensor, weights: Tensor) -> Moments:
        """Returns the moments of features [N, D] float32 of which image i counts weights[i] times; weights [N]
        int64."""
        moments = cls(features.shape[1], features.device)
        for indices in weights.nonzero()[:, 0].split(CHUNK):
            moments.count += int(weights[indices].sum())
            moments._add(features[indices.to(features.device)], weights[indices].to(features.device))
        return moments

    def update(self, features: Tensor) -> None:
        """Adds features [N, D] float32. On the CPU it raises a RequestError at once if some are not finite; elsewhere
        they are counted, and `require_finite` says so at the end."""
        chunks = features.detach().split(CHUNK)
        not_finite = sum((~chunk.isfinite().all(1)).sum() for chunk in chunks)
        if features.device.type == "cpu":
            _refuse(int(not_finite), len(features))
        self._not_finite += not_finite
        self.count += len(features)
        for chunk in chunks:
            self._add(chunk, torch.ones(len(chunk), dtype=torch.int64, device=chunk.device))

    def require_finite(self) -> None:
        """Raises a RequestError if features of some images are not finite."""
        _refuse(int(self._not_finite), self.count)

    def _add(self, features: Tensor, weights: Tensor) -> None:
        exact, counts = features.double(), weights.double()
        self._sum += counts @ exact
        self._outer.addmm_((exact * counts[:, None]).T, exact)

    @property
    def mean(self) -> Tensor:
        return self._sum / self.count

    @property
    def covariance(self) -> Tensor:
        """Returns the covariance of the features [D, D], divided by N - 1 as in every FID."""
        return (self._outer - self._sum.outer(self.mean)) / (self.count - 1)

    def __add__(self, other: Moments) -> Moments:
        one, two = self.tensors(), other.tensors()
        return Moments.from_tensors({name: one[name] + two[name] for name in one})

    def tensors(self) -> dict[str, Tensor]:
        """Returns copies of the sums by name, to be stored or added up over processes."""
        return {"count": torch.tensor(self.count), "sum": self._sum.clone(), "outer": self._outer.clone()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Moments:
        moments = cls(0, tensors["sum"].device)
        moments.count = int(tensors["count"])
        moments._sum, moments._outer = tensors["sum"].clone(), tensors["outer"].clone()
        return moments

    def to(self, device: torch.device) -> Moments:
        """Returns the same sums on a device."""
        moments = Moments(0, device)
        moments.count, moments._sum, moments._outer = self.count, self._sum.to(device), self._outer.to(device)
        return moments

    @property
    def device(self) -> torch.device:
        return self._sum.device


def _refuse(not_finite: int, count: int) -> None:
    """Raises a RequestError if of `count` images some have features that are not finite."""
    if not_finite:
        raise RequestError(f"The features of {not_finite} of {count} images are not finite, so nothing can be measured "
                           "on them: choose a checkpoint from before its networks diverged")


class SplitScores:
    """Sums from which the Inception Score of each split is computed. Images may come in any order, in parts of any
    size.

    Splits are contiguous: of `total` images, split s ends before number (s + 1) total // S, as in torch-fidelity.
    Images whose order means something, e.g. sorted by class, must be shuffled by `mix` first. Tensors are float64;
    `counts`, which the numbers of the images decide, stay on the CPU.
    """

    def __init__(self, num_classes: int, total: int, splits: int, device: torch.device | str = "cpu"):
        self.ends = torch.arange(1, splits + 1) * total // splits
        self.counts = torch.zeros(splits, dtype=torch.float64)
        self.probabilities = torch.zeros(splits, num_classes, dtype=torch.float64, device=device)
        self.entropies = torch.zeros(splits, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, logits: Tensor, splits: int) -> SplitScores:
        """Returns the sums of all images, which have logits [N, K]."""
        scores = cls(logits.shape[1], len(logits), splits, logits.device)
        scores.update(logits, 0)
        return scores

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> SplitScores:
        """Returns the scores of complete sums, which are those of all images and processes."""
        splits, num_classes = tensors["probabilities"].shape
        scores = cls(num_classes, int(tensors["counts"].sum()), splits)
        scores.counts, scores.probabilities = tensors["counts"], tensors["probabilities"]
        scores.entropies = tensors["entropies"]
        return scores

    def tensors(self) -> dict[str, Tensor]:
        """Returns copies of the sums by name, to be added up over processes."""
        sums = {"counts": self.counts, "probabilities": self.probabilities, "entropies": self.entropies}
        return {name: tensor.clone() for name, tensor in sums.items()}

    @property
    def splits(self) -> int:
        return len(self.counts)

    def update(self, logits: Tensor, first: int) -> None:
        """Adds the images number first to first + n - 1 of the whole set, which have logits [n, K]."""
        probabilities = logits.double().softmax(1)
        split = torch.bucketize(torch.arange(first, first + len(logits)), self.ends, right=True)
        self.counts += split.bincount(minlength=self.splits)
        split = upload(split, logits.device)
        self.probabilities.index_add_(0, split, probabilities)
        self.entropies.index_add_(0, split, entr(probabilities).sum(1))

    def value(self) -> tuple[float, float]:
        """Returns the mean and the standard deviation over the splits. The latter divides by S, as the original code
        and torch-fidelity do; torchmetrics divides by S - 1."""
        counts = self.counts.to(self.entropies.device)
        means = self.probabilities / counts[:, None], self.entropies / counts
        scores = scores_of(*means)
        return scores.mean().item(), scores.std(correction=0).item()


MIXED = "mixed as by torch-fidelity, seed 2020"


def mix(logits: Tensor) -> Tensor:
    """Returns logits [N, K] in the order in which torch-fidelity assigns images to splits by default, which is always
    the same for an N."""
    order = torch.from_numpy(numpy.random.RandomState(2020).permutation(len(logits)))
    return logits[order.to(logits.device)]


def scores_of(probabilities: Tensor, entropies: Tensor) -> Tensor:
    """Returns exp(E[KL(p(y|x) || p(y))]) = exp(H(E[p]) - E[H(p)]): mean probabilities [..., K] and mean entropies [...]
    -> [...]."""
    return (entr(probabilities).sum(-1) - entropies).exp()
