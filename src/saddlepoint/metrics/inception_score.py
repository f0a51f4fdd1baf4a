"""The Inception Score. N images, K classes, S splits."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor
from torch.special import entr  # -p log p, and 0 where p is

from saddlepoint.metrics.bootstrap import centred_interval, resampling_weights
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup
from saddlepoint.modules.draws import seed_of


class SplitScores:
    """Sums from which the score of each split follows; images may come in any order and in any portions.

    Splits are contiguous: of `total` images, split s ends before number (s + 1) total // S, as in torch-fidelity. So
    images that have an order, sorted by class for example, are `mixed` first. float64 on the CPU.
    """

    def __init__(self, num_classes: int, total: int, splits: int):
        self.ends = torch.arange(1, splits + 1) * total // splits
        self.counts = torch.zeros(splits, dtype=torch.float64)
        self.probabilities = torch.zeros(splits, num_classes, dtype=torch.float64)
        self.entropies = torch.zeros(splits, dtype=torch.float64)

    @classmethod
    def of(cls, logits: Tensor, splits: int) -> SplitScores:
        """logits [N, K] of all images"""
        scores = cls(logits.shape[1], len(logits), splits)
        scores.update(logits, 0)
        return scores

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> SplitScores:
        """Of sums that are complete: of all images, from all processes."""
        splits, num_classes = tensors["probabilities"].shape
        scores = cls(num_classes, int(tensors["counts"].sum()), splits)
        scores.counts, scores.probabilities = tensors["counts"], tensors["probabilities"]
        scores.entropies = tensors["entropies"]
        return scores

    def tensors(self) -> dict[str, Tensor]:
        """Copies, to be summed over processes, tensor by tensor."""
        sums = {"counts": self.counts, "probabilities": self.probabilities, "entropies": self.entropies}
        return {name: tensor.clone() for name, tensor in sums.items()}

    @property
    def splits(self) -> int:
        return len(self.counts)

    def update(self, logits: Tensor, first: int) -> None:
        """logits [n, K] of images first .. first + n - 1 of the whole set"""
        probabilities = logits.cpu().double().softmax(1)
        split = torch.bucketize(torch.arange(first, first + len(logits)), self.ends, right=True)
        self.counts += split.bincount(minlength=self.splits)
        self.probabilities.index_add_(0, split, probabilities)
        self.entropies.index_add_(0, split, entr(probabilities).sum(1))

    def value(self) -> tuple[float, float]:
        """-> mean and standard deviation over the splits; the latter divides by S, as the original and torch-fidelity
        do (torchmetrics divides by S - 1)."""
        means = self.probabilities / self.counts[:, None], self.entropies / self.counts
        scores = _scores(*means)
        return scores.mean().item(), scores.std(correction=0).item()


MIXED = "mixed as by torch-fidelity, seed 2020"


def mixed(logits: Tensor) -> Tensor:
    """[N, K] in the order in which torch-fidelity deals images out to splits unless told otherwise, always the same."""
    return logits[torch.from_numpy(numpy.random.RandomState(2020).permutation(len(logits)))]


def _scores(probabilities: Tensor, entropies: Tensor) -> Tensor:
    """mean probabilities [..., K], mean entropies [...] -> exp(E[KL(p(y|x) || p(y))]) = exp(H(E[p]) - E[H(p)])"""
    return (entr(probabilities).sum(-1) - entropies).exp()


class InceptionScore(Metric):
    """exp(E_x[KL(p(y|x) || p(y))]), p(y) the mean of p(y|x), averaged over splits of the fakes: from 1 to the number
    of classes (Salimans et al. 2016, section 4, https://arxiv.org/abs/1606.03498). Real images take no part.

    It rises with the number of images in a split, so only values of the same count and splits compare.

    A generator's images are independent draws, and are dealt out to the splits as they come. Files may be sorted, by
    class for example: those that can be read are mixed first, and the value is torch-fidelity's.
    """

    name = "is"
    greater_is_better = True
    needs_classes = True

    def __init__(self, splits: int = 10):
        if splits < 1:
            raise ValueError(f"metrics.is.splits={splits} must be at least 1: the original uses 10")
        self.splits = splits

    def problem(self, setup: Setup) -> str | None:
        too_few = setup.num_fake < self.splits
        return super().problem(setup) or (
            f"{self.name}_{setup.extractor} needs a fake for each of its metrics.is.splits={self.splits} splits, and "
            f"there are {setup.num_fake}: ask for more, or type metrics.is.splits=1" if too_few else None)

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        scores, logits, settings = fake.scores, fake.logits, {"splits": self.splits}
        if scores is None:
            logits = mixed(logits)
            scores, settings = SplitScores.of(logits, self.splits), settings | {"order": MIXED}
        value, deviation = scores.value()
        interval, reason = None, ""
        if resamples and len(logits) < 2 * self.splits:
            reason = f"of {len(logits)} fakes in metrics.is.splits={self.splits} splits, some are alone in theirs"
        elif resamples:
            interval = centred_interval(value, resampled_scores(logits, self.splits, seed, resamples))
        return Measurement(value, interval, settings, {"std": deviation}, reason)


def resampled_scores(logits: Tensor, splits: int, seed: int, resamples: int) -> Tensor:
    """logits [N, K] -> [B] float64: the score when the images of each split are drawn again from that split.

    How often each image is drawn, as a matrix, times the probabilities: no resample is ever gathered.
    """
    ends = [split * len(logits) // splits for split in range(splits + 1)]
    total = torch.zeros(resamples, dtype=torch.float64)
    for split, (begin, end) in enumerate(zip(ends, ends[1:], strict=False)):
        probabilities = logits[begin:end].cpu().double().softmax(1)
        split_seed = seed_of(seed, split, "inception_score")
        weights = torch.stack([*resampling_weights(end - begin, split_seed, resamples)]).double() / (end - begin)
        total += _scores(weights @ probabilities, weights @ entr(probabilities).sum(1))
    return total / splits
