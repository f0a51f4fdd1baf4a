"""The Inception Score. N images, K classes, S splits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import entr  # -p log p, and 0 where p is

from saddlepoint.config.rules import Count
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.bootstrap import centred_interval, resampling_weights
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup
from saddlepoint.metrics.sums import MIXED, SplitScores, mix, scores_of


class InceptionScore(Metric):
    """The Inception Score, exp(E_x[KL(p(y|x) || p(y))]) with p(y) the mean of p(y|x), averaged over splits of the
    fakes: from 1 to the number of classes (Salimans et al. 2016, section 4, https://arxiv.org/abs/1606.03498). It does
    not depend on the real images.

    It rises with the number of images in a split, so compare only values of the same count and number of splits.

    A generator's images are independent draws, so they are assigned to the splits in their order. Files may be sorted,
    e.g. by class, so those that can be read are shuffled first, and the value is torch-fidelity's.
    """

    name = "is"
    greater_is_better = True
    needs_classes = True

    def __init__(self, splits: Count = 10):
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
            logits = mix(logits)
            scores, settings = SplitScores.of(logits, self.splits), settings | {"order": MIXED}
        value, deviation = scores.value()
        interval, reason = None, ""
        if resamples and len(logits) < 2 * self.splits:
            reason = f"of {len(logits)} fakes in metrics.is.splits={self.splits} splits, some are alone in theirs"
        elif resamples:
            interval = centred_interval(value, resampled_scores(logits, self.splits, seed, resamples))
        return Measurement(value, interval, settings, {"std": deviation}, reason)


def resampled_scores(logits: Tensor, splits: int, seed: int, resamples: int) -> Tensor:
    """Returns the scores [B] float64 of resamples in which the images of each split are drawn again from that split;
    logits [N, K].

    A matrix says how often each image is drawn and is multiplied by the probabilities, so that no resample is copied.
    """
    ends = [split * len(logits) // splits for split in range(splits + 1)]
    total = torch.zeros(resamples, dtype=torch.float64, device=logits.device)
    for split, (begin, end) in enumerate(zip(ends, ends[1:], strict=False)):
        probabilities = logits[begin:end].double().softmax(1)
        split_seed = seed_of(seed, split, "inception_score")
        weights = torch.stack([*resampling_weights(end - begin, split_seed, resamples)]).to(logits.device)
        weights = weights.double() / (end - begin)
        total += scores_of(weights @ probabilities, weights @ entr(probabilities).sum(1))
    return (total / splits).cpu()
