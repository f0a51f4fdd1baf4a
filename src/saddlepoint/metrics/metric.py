"""Metrics, which are formulas over the features of real images and of fakes, and what they take and return.

D features, K classes.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from saddlepoint.game.device_memory import fits
from saddlepoint.metrics.extractors.extractor import ModeRule

if TYPE_CHECKING:
    from saddlepoint.metrics.images import GeneratedImages
    from saddlepoint.metrics.sums import Moments, SplitScores


@dataclass(frozen=True)
class Sample:
    """The output of an extractor for one set of images. Moments and scores are sums over the images. The other tensors
    have a row for each image and are there only if a metric needs them."""

    moments: "Moments"
    scores: "SplitScores | None" = None  # None: the extractor knows no classes, or the images' order may mean something
    features: Tensor | None = None  # [N, D] float32
    logits: Tensor | None = None  # [N, K] float32
    labels: Tensor | None = None  # [N] int64, also the classes that fakes were made for; 0 if there are none
    spatial: "Moments | None" = None  # of spatial features; None: the extractor has none, or no metric needs them
    modes: Tensor | None = None  # [N] int64, the mode of each, -1: of none; None: no rule, or no metric needs them
    mode_rule: ModeRule | None = None  # by which the extractor assigns them; None: it has none
    of_generator: Mapping[str, Tensor] = field(default_factory=dict)  # metric -> [N], what it saw of the generator
    latent_spaces: tuple[str, ...] = ()  # of that generator, see Setup
    digest: str = ""  # SHA-256 of the images and their labels, in order; of stored statistics that of these
    unreadable: Mapping[str, str] = field(default_factory=dict)  # file -> why it could not be read
    from_file: bool = False  # real images of which a file holds statistics or features, and nothing else is known

    @property
    def count(self) -> int:
        """Returns the number of images; 0 if a file of statistics does not tell it."""
        return self.moments.count

    @property
    def is_stored(self) -> bool:
        """Returns whether mean and covariance came from a file of statistics, which may have no features."""
        return self.moments.stored

    @property
    def has_spatial(self) -> bool:
        """Returns whether there are moments of spatial features."""
        return self.spatial is not None

    def on(self, device: torch.device) -> "Sample":
        """Returns the sample on a device, or on the CPU if its features and logits would fill more than half of the
        device's free memory. Labels and modes stay on the CPU, and so do scores, which are read next."""
        rows = [each for each in (self.features, self.logits) if each is not None]
        missing = sum(each.nbytes for each in rows if each.device.type != device.type)
        place = device if fits(missing, device) else torch.device("cpu")
        features, logits = (None if each is None else each.to(place) for each in (self.features, self.logits))
        spatial = None if self.spatial is None else self.spatial.to(place)
        return replace(self, moments=self.moments.to(place), spatial=spatial, features=features, logits=logits)


def on_one_device(real: Sample, fake: Sample) -> tuple[Sample, Sample]:
    """Returns two samples of which both are on a GPU, or both on the CPU because the features of one did not fit."""
    if real.features is None or fake.features is None or real.features.device == fake.features.device:
        return real, fake
    return real.on(torch.device("cpu")), fake.on(torch.device("cpu"))


@dataclass(frozen=True)
class Setup:
    """The facts about a comparison that are known before any image is looked at."""

    extractor: str  # its name
    num_features: int
    num_classes: int  # that the extractor tells apart; 0: none
    num_real: int  # images whose features there are; with stored statistics those of the file, often none
    num_fake: int
    num_spatial: int = 0  # spatial features of the extractor; 0: it has none
    latent_spaces: tuple[str, ...] = ()  # z and w: where the fakes' generator can be walked; none: they came as files
    labelled: bool = False  # fakes were made for classes, and these are the classes of the real images
    same_classes: bool = False  # the extractor tells apart the very classes that the data has
    class_counts: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())  # real and fake images of each class, if labelled
    stored: bool = False  # mean and covariance of the real images come from a file of statistics
    real_spatial: bool = True  # False: that file has none of spatial features
    mode_rule: ModeRule | None = None  # of the extractor
    why_no_modes: str = ""  # where it has none, for the end of a sentence
    from_file: bool = False  # of the real images there is only a file of statistics or features: no logits, no modes


@dataclass(frozen=True)
class Measurement:
    """The value of one metric, with an interval if one was asked for and could be computed."""

    value: float  # nan: there is none
    interval: tuple[float, float] | None = None  # 95 %
    settings: Mapping[str, Any] = field(default_factory=dict)  # what the definition leaves open, e.g. neighbours: 5
    details: Mapping[str, float] = field(default_factory=dict)  # parts of the value by name, e.g. one for each class
    reason: str = ""  # why there is no value; or no interval, though one was asked for
    through: Mapping[str, str] = field(default_factory=dict)  # fields of the protocol that are not the extractor's, if
    # the metric looks through another network: extractor, digest, resize

    def only_finite(self) -> "Measurement":
        """Returns the measurement without numbers that are not finite, and with a reason for each that was left out."""
        if not math.isfinite(self.value):
            return replace(self, value=math.nan, interval=None, reason=self.reason or f"it came out as {self.value}")
        if self.interval is not None and not all(map(math.isfinite, self.interval)):
            return replace(self, interval=None, reason=self.reason or "the interval's bounds are not finite")
        return self


class Metric(ABC):
    """A formula over two samples, of real images and of fakes. `name` is what users type in metric=[fid,kid]; where
    values are shown, the extractor's name is added, e.g. fid_digits."""

    name: ClassVar[str]
    greater_is_better: ClassVar[bool]
    needs_features: ClassVar[bool] = False  # of every image, not only their moments
    real_moments_suffice: ClassVar[bool] = False  # needs_features is about fakes alone
    needs_classes: ClassVar[bool] = False  # an extractor that knows classes
    needs_labels: ClassVar[bool] = False  # fakes that were made for a class
    needs_spatial: ClassVar[bool] = False  # an extractor with spatial features, of which the moments are kept
    needs_generator: ClassVar[bool] = False  # itself, not only its images: see look_at_generator
    needs_modes: ClassVar[bool] = False  # an extractor that tells modes apart, and the modes of every image
    needs_logits: ClassVar[bool] = False  # of every fake; intervals of metrics that need classes get them anyway
    needs_real_logits: ClassVar[bool] = False  # of every real image

    @property
    def needs_real_features(self) -> bool:
        """Returns whether it needs the features of each real image, not only their moments."""
        return self.needs_features and not self.real_moments_suffice

    def problem(self, setup: Setup) -> str | None:
        """Returns why it cannot be measured, as a sentence with the numbers, or None if it can."""
        if self.needs_classes and not setup.num_classes:
            return f"{self.name} needs an extractor that knows classes, and {setup.extractor} knows none"
        if self.needs_modes and setup.mode_rule is None:
            return f"{self.name} needs an extractor that tells modes apart, and {setup.why_no_modes}"
        if self.needs_modes and setup.from_file:
            return f"{self.name} needs the modes of the real images, and a file of statistics has none"
        if self.needs_real_logits and setup.from_file:
            return f"{self.name} needs the classes of the real images, and a file of statistics has none"
        if self.needs_spatial and not setup.num_spatial:
            return (f"{self.name} needs an extractor with spatial features, and {setup.extractor} has none: type "
                    "extractor=inception or extractor=random")
        if self.needs_spatial and not setup.real_spatial:
            return f"{self.name} needs mu_s and sigma_s of real images, which the file of statistics has not"
        if self.needs_generator and not setup.latent_spaces:
            return f"{self.name} needs the generator itself, and these fakes are files: type run=RUN"
        if self.needs_labels and not setup.labelled:
            return f"{self.name} needs fakes made for a class, and these are not (a conditional model makes them)"
        if self.needs_real_features and setup.stored and not setup.num_real:
            return (f"{self.name} needs the features of each real image, and a file of statistics has only their mean "
                    "and covariance")
        if self.needs_labels and self.needs_classes and not setup.same_classes:
            return (f"{self.name} needs an extractor that knows the classes of the data, and {setup.extractor} knows "
                    "others")
        return None

    def look_at_generator(self, images: "GeneratedImages") -> Iterator[tuple[int, Tensor]]:
        """Yields, for parts of the images, the number of the first one and a number for each, [n]. Only metrics that
        need the generator do; `measure` finds all of them in `fake.of_generator`."""
        yield from ()

    @abstractmethod
    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        """Returns the value, with an interval if `resamples`, the number of bootstrap resamples, is above 0. `seed`
        fixes every random choice. With resamples the samples have features, and logits if the metric needs classes."""
