"""Metrics of class-conditional models: are fakes of the class that was asked for, and like real images of that class?

N images, D features, K classes.
"""

import torch
from torch import Tensor

from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.bootstrap import ONE_IMAGE, interval_of_mean
from saddlepoint.metrics.frechet import frechet_distance
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup
from saddlepoint.metrics.sums import Moments


class LabelAccuracy(Metric):
    """The share of fakes, from 0 to 1, whose most probable class is the one that was asked for, overall and in each
    class. The extractor's classes must be those of the data, in the same order. A perfect generator scores no more than
    the extractor's own accuracy."""

    name = "label_accuracy"
    greater_is_better = True
    needs_classes = True
    needs_labels = True
    needs_logits = True

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        correct = (fake.logits.argmax(1).cpu() == fake.labels).double()
        interval = interval_of_mean(correct, seed_of(seed, 0, self.name), resamples) if resamples else None
        each = {str(label): correct[fake.labels == label].mean().item() for label in _classes(fake)}
        reason = ONE_IMAGE if resamples and interval is None else ""
        return Measurement(correct.mean().item(), interval, details=each, reason=reason)


class ClassFrechetDistance(Metric):
    """The Fréchet distance between real images and fakes of the same class, mean over the classes: intra FID (Miyato
    and Koyama 2018, section 5, https://arxiv.org/abs/1802.05637). Unlike the FID of all images together, it notices
    confused classes and classes whose images are all the same. It has no interval."""

    name = "class_fid"
    greater_is_better = False
    needs_features = True
    needs_labels = True

    def problem(self, setup: Setup) -> str | None:
        """Returns why it cannot be measured, e.g. a class with fewer than D + 1 images. The covariance of fewer has no
        full rank, and the distance depends more on their number than on the images."""
        return super().problem(setup) or self._class_with_too_few(setup)

    def _class_with_too_few(self, setup: Setup) -> str | None:
        fewest = [min(counts, default=0) for counts in setup.class_counts]
        needed = setup.num_features + 1
        if min(fewest) >= needed:
            return None
        of = "real images" if fewest[0] <= fewest[1] else "fakes"
        if len(setup.class_counts[0]) > 1 == sum(map(bool, setup.class_counts[0])):
            return (f"{self.name}_{setup.extractor} needs real images of each class, and all there are count as class "
                    f"{setup.class_counts[0].index(setup.num_real)} (those of a folder have no classes): leave "
                    f"{self.name} out of metric=")
        label = setup.class_counts[0 if of == "real images" else 1].index(min(fewest))
        return (f"{self.name}_{setup.extractor} needs {needed} real images and fakes of each class, one more than "
                f"{setup.extractor} has features, and there are {min(fewest)} {of} of class {label}: ask for more, or "
                f"leave {self.name} out of metric=")

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        each = {str(label): self._distance(_of_class(real, label), _of_class(fake, label))
                for label in _classes(real)}
        return Measurement(sum(each.values()) / len(each), details=each)

    def _distance(self, real: Tensor, fake: Tensor) -> float:
        one, other = Moments.of(real), Moments.of(fake)
        return frechet_distance(one.mean, one.covariance, other.mean, other.covariance)


def _of_class(sample: Sample, label: int) -> Tensor:
    """Returns the features of the images of a class."""
    return sample.features[(sample.labels == label).to(sample.features.device)]


def _classes(sample: Sample) -> list[int]:
    return torch.unique(sample.labels).tolist()
