"""Measures the chosen metrics through one extractor. Every image passes it once, however many metrics there are."""

import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from saddlepoint.config.extensions import place_of
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.game.modes import device_of
from saddlepoint.metrics.collecting import Keep, collect, raise_in_all_processes
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import Blocks, EvaluationBlocks, GeneratedImages, Images
from saddlepoint.metrics.metric import Measurement, Metric, Sample, Setup, on_one_device
from saddlepoint.metrics.path_length import latent_spaces
from saddlepoint.metrics.reference import reference
from saddlepoint.parallel.collectives import gather_objects, place, sum_over_processes
from saddlepoint.progress.bars import make_bar

LINE_SECONDS = 10  # between two lines of progress, where there is no terminal


class Evaluator:
    """A set of metrics with the extractor through which they are measured.

    metrics: by the names under which their values are returned
    seed: fixes every random choice
    resamples: bootstrap resamples behind every interval; 0: no intervals
    cache: a folder that stores the sample of real images; None: it is computed each time
    aloud: whether progress is shown on stderr
    """

    def __init__(self, extractor: Extractor, metrics: Mapping[str, Metric], seed: int = 0, resamples: int = 0,
                 cache: Path | None = None, aloud: bool = False):
        self.extractor, self.metrics, self.seed, self.resamples = extractor, dict(metrics), seed, resamples
        self.cache, self.aloud = cache, aloud

    def setup(self, real: EvaluationImages | Sample, num_fake: int, class_names: Sequence[str] = (),
              latent_spaces: tuple[str, ...] = ()) -> Setup:
        """Returns what is about to be compared. `class_names` are those of the data if the fakes are made for its
        classes, in the same proportions; otherwise it is empty. `latent_spaces` are those of a generator of fakes."""
        counts, num_real = ((), ()), len(real.labels)
        if class_names and num_real:
            num_of_class = torch.bincount(real.labels, minlength=len(class_names))
            counts = tuple(num_of_class.tolist()), tuple((num_of_class * num_fake // num_real).tolist())
        extractor, same_classes = self.extractor, tuple(class_names) == tuple(self.extractor.class_names)
        return Setup(extractor.name, extractor.num_features, extractor.num_classes, num_real, num_fake,
                     extractor.num_spatial, latent_spaces, bool(class_names), same_classes, counts, real.is_stored,
                     real.has_spatial, extractor.mode_rule, "" if extractor.mode_rule else extractor.why_no_modes,
                     real.from_file)

    def setup_of(self, real: Sample, fake: Sample, class_names: Sequence[str] = ()) -> Setup:
        """Returns the same for images that were looked at: some files may have been unreadable, and the numbers of
        fakes of each class are random."""
        setup = self.setup(real, fake.count, class_names, fake.latent_spaces)
        if not class_names:
            return setup
        return replace(setup, class_counts=tuple(
            tuple(torch.bincount(sample.labels, minlength=len(class_names)).tolist()) for sample in (real, fake)))

    def problems(self, setup: Setup) -> dict[str, str]:
        """Returns, for each metric that cannot be measured, its name and the reason."""
        reasons = {name: metric.problem(setup) for name, metric in self.metrics.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def refuse_too_few(self, real: Sample, fake: Sample, class_names: Sequence[str] = ()) -> None:
        """Raises a RequestError if unreadable files left too few images for every one of the metrics."""
        problems = self.problems(self.setup_of(real, fake, class_names))
        if len(problems) == len(self.metrics):
            raise RequestError("\n".join(problems.values()))

    def look_at_real(self, images: EvaluationImages, num_workers: int = 0, spatial: bool = False) -> Sample:
        """Returns the sample of real images, from the cache if it is there. `num_workers` processes decode files. With
        `spatial` it has moments of spatial features, if the extractor has any, also where no metric needs them."""
        spatial = self._needs_spatial or spatial and self.extractor.num_spatial > 0
        needs_logits = any(metric.needs_real_logits for metric in self.metrics.values())
        keep = Keep(self._keeps_features, needs_logits, self._needs_modes, spatial)
        blocks = EvaluationBlocks(images, num_workers)
        sample = reference(images, self.extractor, keep, lambda: self._look(blocks, keep, "real images", 0), self.cache)
        return sample.on(device_of(self.extractor))

    def look_at_fakes(self, images: Images) -> Sample:
        """Passes fakes through the extractor and returns their sample, with what the metrics need of each image."""
        needs_logits = any(metric.needs_logits or metric.needs_classes and (self.resamples or images.ordered)
                           for metric in self.metrics.values())
        splits = self.metrics["is"].splits if "is" in self.metrics and not images.ordered else 0
        keep = Keep(self._keeps_features, needs_logits, self._needs_modes, self._needs_spatial)
        sample = self._look(images, keep, "fakes", splits)
        if not isinstance(images, GeneratedImages):
            return sample
        seen = {name: self._look_at_generator(metric, images) for name, metric in self.metrics.items()
                if metric.needs_generator}
        return replace(sample, of_generator=seen, latent_spaces=latent_spaces(images.generator))

    def _look_at_generator(self, metric: Metric, images: GeneratedImages) -> Tensor:
        """Returns what a metric sees of a generator, [N] float64, shared among all processes."""
        seen, problem = torch.zeros(images.count, dtype=torch.float64), None
        share = images.count // place()[1]
        with make_bar(self.aloud and place()[0] == 0, total=share, desc=metric.name, unit=" images") as bar:
            try:
                for first, numbers in metric.look_at_generator(images):
                    seen[first:first + len(numbers)] = numbers
                    bar.update(len(numbers))
            except EndOfRun as error:
                problem = error
        raise_in_all_processes(gather_objects((problem, images.count)))
        return sum_over_processes({"seen": seen})["seen"]

    def measure(self, real: Sample, fake: Sample, class_names: Sequence[str] = ()) -> dict[str, Measurement]:
        """Returns each metric's measurement by name. A metric without a value has the reason in its measurement, and
        the others are measured all the same. With intervals this may take longer than the passes of images."""
        problems = self.problems(self.setup_of(real, fake, class_names))
        real, fake = on_one_device(real, fake)
        measurements = {}
        with make_bar(self.aloud, total=len(self.metrics), desc="metrics", leave=False) as bar:
            for name, metric in self.metrics.items():
                bar.set_postfix_str(name)
                measurements[name] = self._measure(metric, problems.get(name), real, fake)
                bar.update()
        return measurements

    def _measure(self, metric: Metric, problem: str | None, real: Sample, fake: Sample) -> Measurement:
        if problem:
            return Measurement(math.nan, reason=problem)
        try:
            measurement = metric.measure(real, fake, self.seed, self.resamples)
        except torch.linalg.LinAlgError as error:
            return Measurement(math.nan, reason=f"the features' covariances cannot be decomposed ({error})")
        except Exception as error:
            if is_ours(metric):
                raise
            return Measurement(math.nan, reason=f"{type(metric).__name__} failed: {place_of(error)}")
        if not isinstance(measurement, Measurement):
            return Measurement(math.nan, reason=f"{type(metric).__name__}.measure returned a "
                               f"{type(measurement).__name__} and must return a saddlepoint.metrics.Measurement")
        return replace(measurement, value=float(measurement.value)).only_finite()

    @property
    def needs_real_features(self) -> bool:
        """Returns whether some metric needs the features of each real image."""
        return any(metric.needs_real_features for metric in self.metrics.values())

    @property
    def _keeps_features(self) -> bool:
        return self.resamples > 0 or any(metric.needs_features for metric in self.metrics.values())

    @property
    def _needs_modes(self) -> bool:
        return any(metric.needs_modes for metric in self.metrics.values())

    @property
    def _needs_spatial(self) -> bool:
        return any(metric.needs_spatial for metric in self.metrics.values())

    def _look(self, images: Images, keep: Keep, title: str, splits: int) -> Sample:
        blocks: Blocks = images.blocks()
        if self.aloud:
            blocks = with_progress(blocks, images.count, title)
        return collect(blocks, images.count, self.extractor, keep, splits)


def is_ours(metric: Metric) -> bool:
    """Returns whether a metric is of this package. One of somebody else that fails must not end a training."""
    return type(metric).__module__.partition(".")[0] == __name__.partition(".")[0]


def without(metrics: Mapping[str, Metric], names: Iterable[str]) -> dict[str, Metric]:
    """Returns the metrics but for those with these names."""
    excluded = set(names)
    return {name: metric for name, metric in metrics.items() if name not in excluded}


def with_progress(blocks: Blocks, count: int, title: str) -> Blocks:
    """Yields the same blocks and shows on stderr how many of `count` images are done, images/s and the time left: as a
    bar on a terminal and in a notebook, elsewhere as a line every LINE_SECONDS. Only the first of several processes
    shows it."""
    rank, num_processes = place()
    share = count // num_processes
    started = last_line = time.perf_counter()
    done = 0
    with make_bar(rank == 0, total=share, desc=title, unit=" images", unit_scale=True) as bar:
        for first, block in blocks:
            yield first, block
            done += len(block.images)
            bar.update(len(block.images))
            now = time.perf_counter()
            if bar.disable and rank == 0 and now - last_line >= LINE_SECONDS:
                rate, last_line = done / (now - started), now
                left = tqdm.format_interval(max(share - done, 0) / rate)
                print(f"{title}: {done:,} of {share:,}, {rate:,.0f} images/s, {left} left", file=sys.stderr, flush=True)
