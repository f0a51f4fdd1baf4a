"""Lets a file of statistics take the place of real images in a comparison."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from saddlepoint.config.spelling import command
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.errors import RequestError
from saddlepoint.metrics import statistics_files
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Sample

UNKNOWN = "unknown"
PICKLES = (".pkl", ".pickle")
Settings = Mapping[str, Any]


class StoredReference:
    """The statistics of real images, from a file. Those of another program's file do not say how many images they are
    of, how these were resized, or by which network: what is neither in the file nor typed is unknown.

    path: the file
    typed: the setting that names it, e.g. real=FILE.npz
    channels, image_size: those of the fakes
    told: what the user says of the file: num_images, interpolation, split
    images: images of the same set that the file also holds, for metrics that need the features of each; None: it has
        none
    """

    dimensions = None  # it is of images
    from_file = True

    def __init__(self, path: Path, typed: str, channels: int, image_size: int, told: Settings,
                 images: EvaluationImages | None = None):
        self.statistics = statistics_files.read(path, typed)
        about = self.statistics.about
        self.path, self.typed, self.channels, self.image_size, self.images = path, typed, channels, image_size, images
        for name, written in (("num_images", about.get("num_images")), ("interpolation", about.get("resize")),
                              ("split", about.get("split"))):
            if told[name] is not None and written not in (None, told[name]):
                raise RequestError(f"reference.{name}={told[name]}: {typed} says itself that it is {written}. Leave "
                                   f"reference.{name} out")
        self.name, self.framing = str(about.get("reference") or path.name), str(about.get("framing") or UNKNOWN)
        self.split = told["split"] or str(about.get("split") or UNKNOWN)
        self.resize = told["interpolation"] or str(about.get("resize") or UNKNOWN)
        self.count: int | None = self.statistics.moments.count or told["num_images"]

    def check(self, extractor: Extractor) -> None:
        """Raises a RequestError if the statistics are not of this extractor's features."""
        about, num_features = self.statistics.about, len(self.statistics.moments.mean)
        if num_features != extractor.num_features:
            raise RequestError(f"{self.typed} holds statistics of {num_features:,} features, and extractor="
                               f"{extractor.name} has {extractor.num_features:,}: choose the extractor that it was "
                               "made with, or another file")
        if about.get("digest") not in (None, extractor.digest):
            raise RequestError(f"{self.typed} holds statistics of extractor={about.get('extractor')} with other "
                               f"weights (SHA-256 {about['digest'][:12]}, not {extractor.digest[:12]}): choose that "
                               "one, or another file")

    def resize_beside(self, extractor: Extractor) -> str | None:
        """Returns how the images behind the statistics were resized, or unknown; None: as the extractor does it."""
        return None if self.resize in (extractor.resize, getattr(extractor, "interpolation", "")) else self.resize

    def sample(self, evaluator: Evaluator, num_workers: int) -> Sample:
        """Returns the statistics as the sample of real images, with the features of those images that the file holds if
        a metric needs them; `num_workers` processes read these."""
        features = self.statistics.features
        if features is None and self.images is not None and evaluator.needs_real_features:
            features = evaluator.look_at_real(self.images, num_workers).features
        labels = torch.zeros(0 if features is None else len(features), dtype=torch.long)
        return Sample(self.statistics.moments, features=features, labels=labels, digest=self.statistics.digest,
                      spatial=self.statistics.spatial, from_file=True)

    @property
    def is_stored(self) -> bool:
        """Returns whether mean and covariance are all there is of the images; False where the file has features."""
        return self.statistics.moments.stored

    @property
    def has_spatial(self) -> bool:
        """Returns whether the file has statistics of spatial features, for sFID."""
        return self.statistics.spatial is not None

    @property
    def labels(self) -> torch.Tensor:
        """Returns a label [N] of 0 for each image whose features there are or will be."""
        if self.statistics.features is not None:
            return torch.zeros(len(self.statistics.features), dtype=torch.long)
        return torch.zeros(0 if self.images is None else len(self.images), dtype=torch.long)


def is_stored(settings: Settings) -> bool:
    """Returns whether real= names a file of statistics. Refuses pickled ones, and settings of reference= that are about
    such a file where there is none."""
    path = expanded(settings["real"], "real") if settings["real"] else None
    if path is not None and path.suffix.lower() in PICKLES and path.is_file():
        raise RequestError(f"real={settings['real']} is a pickle, which may run any code and is not loaded. Statistics "
                           "of EDM2 or StyleGAN become an .npz file by "
                           f"{command('convert_statistics', f'input={path}')}")
    if path is not None and statistics_files.holds_statistics(path):
        return True
    for name, value in settings["reference"].items():
        if value is not None:
            what = "no real= is typed" if path is None else f"real={settings['real']} is none"
            raise RequestError(f"reference.{name}={value} is about a file of statistics, and {what}: leave it out")
    return False


def stored_reference(settings: Settings, channels: int, image_size: int,
                     images: EvaluationImages | None = None) -> StoredReference:
    """Returns the statistics of real=, for fakes of this shape."""
    path, wanted = expanded(settings["real"], "real"), settings.get("num_real")
    if wanted and images is None:
        print(f"note: num_real={wanted} is of images, and real={settings['real']} holds statistics: they are used as "
              "they are", file=sys.stderr)
    return StoredReference(path, f"real={settings['real']}", channels, image_size, settings["reference"], images)
