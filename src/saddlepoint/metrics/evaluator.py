"""Measures what was asked for, through one extractor; every image passes it once, whatever the number of metrics."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.errors import RequestError
from saddlepoint.metrics.collecting import Keep, collect
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import Blocks, EvaluationBlocks, Images
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup
from saddlepoint.metrics.progress import watched
from saddlepoint.metrics.reference import reference


class Evaluator:
    """`resamples`: bootstrap samples behind every interval; 0: no intervals. `seed` fixes every random choice.
    `cache`: a folder that remembers real images; None: none. `aloud`: says how far a pass is."""

    def __init__(self, extractor: Extractor, metrics: Mapping[str, Metric], seed: int = 0, resamples: int = 0,
                 cache: Path | None = None, aloud: bool = False):
        self.extractor, self.metrics, self.seed, self.resamples = extractor, dict(metrics), seed, resamples
        self.cache, self.aloud = cache, aloud

    def setup(self, real: EvaluationImages | Sample, num_fake: int, class_names: Sequence[str] = ()) -> Setup:
        """`class_names`: of the data, if the fakes are made for its classes, in their proportions; else none"""
        counts, num_real = ((), ()), len(real.labels)
        if class_names:
            each = torch.bincount(real.labels, minlength=len(class_names))
            counts = tuple(each.tolist()), tuple((each * num_fake // num_real).tolist())
        extractor = self.extractor
        return Setup(extractor.name, extractor.num_features, extractor.num_classes, num_real, num_fake,
                     bool(class_names), tuple(class_names) == tuple(extractor.class_names), counts)

    def setup_of(self, real: Sample, fake: Sample, class_names: Sequence[str] = ()) -> Setup:
        """With the images that are really there: files may break off, and classes are drawn at random."""
        setup = self.setup(real, fake.count, class_names)
        if not class_names:
            return setup
        return replace(setup, class_counts=tuple(
            tuple(torch.bincount(sample.labels, minlength=len(class_names)).tolist()) for sample in (real, fake)))

    def problems(self, setup: Setup) -> dict[str, str]:
        """Why some of the metrics cannot be measured, by name."""
        reasons = {name: metric.problem(setup) for name, metric in self.metrics.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def refuse_too_few(self, real: Sample, fake: Sample, class_names: Sequence[str] = ()) -> None:
        """Files that broke off may have left too few images for any of the metrics."""
        problems = self.problems(self.setup_of(real, fake, class_names))
        if len(problems) == len(self.metrics):
            raise RequestError("\n".join(problems.values()))

    def look_at_real(self, still: EvaluationImages, num_workers: int = 0) -> Sample:
        keep = Keep(features=self._keeps_features)
        images = EvaluationBlocks(still, num_workers)
        return reference(still, self.extractor, keep, lambda: self._look(images, keep, "real images", 0), self.cache)

    def look_at_fakes(self, images: Images) -> Sample:
        needs_logits = any(metric.needs_logits or metric.needs_classes and (self.resamples or images.ordered)
                           for metric in self.metrics.values())
        splits = self.metrics["is"].splits if "is" in self.metrics and not images.ordered else 0
        return self._look(images, Keep(self._keeps_features, needs_logits), "fakes", splits)

    def measure(self, real: Sample, fake: Sample, class_names: Sequence[str] = ()) -> dict[str, Measurement]:
        """A metric after the other; those with intervals may take longer than the images did. One without a value says
        why, and the others have theirs."""
        problems = self.problems(self.setup_of(real, fake, class_names))
        hidden = not self.aloud or not sys.stderr.isatty()
        shown = tqdm(self.metrics.items(), desc="metrics", leave=False, disable=hidden)
        measured = {}
        for name, metric in shown:
            shown.set_postfix_str(name)
            measured[name] = self._measured(metric, problems.get(name), real, fake)
        return measured

    def _measured(self, metric: Metric, problem: str | None, real: Sample, fake: Sample) -> Measurement:
        if problem:
            return Measurement(math.nan, reason=problem)
        try:
            return metric.measure(real, fake, self.seed, self.resamples).only_finite()
        except torch.linalg.LinAlgError as error:
            return Measurement(math.nan, reason=f"the features' covariances cannot be decomposed ({error})")

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
