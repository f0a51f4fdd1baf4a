"""A metric: a formula over what an extractor saw of real images and of fakes. D features, K classes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from saddlepoint.metrics.sums import Moments, SplitScores


@dataclass(frozen=True)
class Sample:
    """One set of images after a pass through the extractor. Moments and scores are sums, kept always; the rest takes
    memory in proportion to the images and is there only if a metric needs it."""

    moments: "Moments"
    scores: "SplitScores | None" = None  # None: the extractor knows no classes, or the images' order may mean something
    features: Tensor | None = None  # [N, D] float32
    logits: Tensor | None = None  # [N, K] float32
    labels: Tensor | None = None  # [N] int64, the classes the images are of or were asked for; all 0: there are none
    digest: str = ""  # SHA-256 of the images and their labels, in order
    unreadable: Mapping[str, str] = field(default_factory=dict)  # file: why it is not among the images

    @property
    def count(self) -> int:
        return self.moments.count


@dataclass(frozen=True)
class Setup:
    """What is about to be compared, before any image is looked at."""

    extractor: str  # its name
    num_features: int
    num_classes: int  # that the extractor tells apart; 0: none
    num_real: int
    num_fake: int
    labelled: bool = False  # fakes were made for classes, and these are the classes of the real images
    same_classes: bool = False  # the extractor tells apart the very classes that the data has
    class_counts: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())  # real and fake images of each class, if labelled


@dataclass(frozen=True)
class Measurement:
    value: float  # nan: there is none
    interval: tuple[float, float] | None = None  # 95 %
    settings: Mapping[str, Any] = field(default_factory=dict)  # what the definition leaves open, e.g. neighbours: 5
    details: Mapping[str, float] = field(default_factory=dict)  # parts of the value by name, e.g. one for each class
    reason: str = ""  # why there is no value; or no interval, though one was asked for

    def only_finite(self) -> "Measurement":
        """The same with a reason for whatever is not finite: neither goes into a file as a number."""
        if not math.isfinite(self.value):
            return replace(self, value=math.nan, interval=None, reason=self.reason or f"it came out as {self.value}")
        if self.interval is not None and not all(map(math.isfinite, self.interval)):
            return replace(self, interval=None, reason=self.reason or "the interval's bounds are not finite")
        return self


class Metric(ABC):
    """`name` as in metric=[fid,kid]; the extractor's name is added where values are shown: fid_digits."""

    name: ClassVar[str]
    greater_is_better: ClassVar[bool]
    needs_features: ClassVar[bool] = False  # of every image, not only their moments
    needs_classes: ClassVar[bool] = False  # an extractor that knows classes
    needs_labels: ClassVar[bool] = False  # fakes that were made for a class
    needs_logits: ClassVar[bool] = False  # of every fake; intervals of metrics that need classes get them anyway

    def problem(self, setup: Setup) -> str | None:
        """Why it cannot be measured here, in a sentence with the numbers; None: it can."""
        if self.needs_classes and not setup.num_classes:
            return f"{self.name} needs an extractor that knows classes, and {setup.extractor} knows none"
        if self.needs_labels and not setup.labelled:
            return f"{self.name} needs fakes made for a class, and these are not (a conditional model makes them)"
        if self.needs_labels and self.needs_classes and not setup.same_classes:
            return (f"{self.name} needs an extractor that knows the classes of the data, and {setup.extractor} knows "
                    "others")
        return None

    @abstractmethod
    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        """`seed` fixes every random choice. `resamples`: bootstrap samples behind the interval; 0: no interval. With
        resamples, features (and logits, if the metric needs classes) are there."""
