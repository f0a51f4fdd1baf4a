"""Measures what was asked for, through one extractor; every image passes it once, whatever the number of metrics."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from saddlepoint.data.still import StillImages
from saddlepoint.errors import RequestError
from saddlepoint.metrics.collecting import Keep, collect
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import Blocks, Images, StillBlocks
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup
from saddlepoint.metrics.progress import watched
from saddlepoint.metrics.reference import reference


class Judge:
    """`resamples`: bootstrap samples behind every interval; 0: no intervals. `seed` fixes every random choice.
    `cache`: a folder that remembers real images; None: none. `aloud`: says how far a pass is."""

    def __init__(self, extractor: Extractor, metrics: Mapping[str, Metric], seed: int = 0, resamples: int = 0,
                 cache: Path | None = None, aloud: bool = False):
        self.extractor, self.metrics, self.seed, self.resamples = extractor, dict(metrics), seed, resamples
        self.cache, self.aloud = cache, aloud

    def setup(self, real: StillImages, num_fake: int, class_names: Sequence[str] = ()) -> Setup:
        """`class_names`: of the data, if the fakes are made for its classes, in their proportions; else none"""
        counts = ((), ())
        if class_names:
            each = torch.bincount(real.labels, minlength=len(class_names))
            counts = tuple(each.tolist()), tuple((each * num_fake // len(real)).tolist())
        extractor = self.extractor
        return Setup(extractor.name, extractor.num_features, extractor.num_classes, len(real), num_fake,
                     bool(class_names), tuple(class_names) == tuple(extractor.class_names), counts)

    def problems(self, setup: Setup) -> dict[str, str]:
        """Why some of the metrics cannot be measured, by name."""
        reasons = {name: metric.problem(setup) for name, metric in self.metrics.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def refuse_too_few(self, real: StillImages, reference: Sample, fake: Sample,
                       class_names: Sequence[str] = ()) -> None:
        """Files that broke off may have left fewer images than there were when the metrics were chosen."""
        setup = replace(self.setup(real, fake.count, class_names), num_real=reference.count)
        if problems := self.problems(setup):
            raise RequestError("\n".join(problems.values()))

    def look_at_real(self, still: StillImages, num_workers: int = 0) -> Sample:
        keep = Keep(features=self._keeps_features)
        images = StillBlocks(still, num_workers)
        return reference(still, self.extractor, keep, lambda: self._look(images, keep, "real images", 1), self.cache)

    def look_at_fakes(self, images: Images) -> Sample:
        needs_logits = any(metric.needs_logits or metric.needs_classes and self.resamples
                           for metric in self.metrics.values())
        splits = self.metrics["is"].splits if "is" in self.metrics else 1
        return self._look(images, Keep(self._keeps_features, needs_logits), "fakes", splits)

    def measure(self, real: Sample, fake: Sample) -> dict[str, Measurement]:
        """A metric after the other; those with intervals may take longer than the images did."""
        hidden = not self.aloud or not sys.stderr.isatty()
        shown = tqdm(self.metrics.items(), desc="metrics", leave=False, disable=hidden)
        measured = {}
        for name, metric in shown:
            shown.set_postfix_str(name)
            measured[name] = metric.measure(real, fake, self.seed, self.resamples)
        return measured

    @property
    def _keeps_features(self) -> bool:
        return self.resamples > 0 or any(metric.needs_features for metric in self.metrics.values())

    def _look(self, images: Images, keep: Keep, title: str, splits: int) -> Sample:
        blocks: Blocks = images.blocks()
        if self.aloud:
            blocks = watched(blocks, images.count, title)
        return collect(blocks, images.count, self.extractor, keep, splits)


def without(metrics: Mapping[str, Metric], names: Iterable[str]) -> dict[str, Metric]:
    left_out = set(names)
    return {name: metric for name, metric in metrics.items() if name not in left_out}
