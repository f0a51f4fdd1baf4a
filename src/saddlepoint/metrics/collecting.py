"""Passes images through an extractor once and collects what all metrics are computed from.

N images or points, D features, K classes, E spatial features. Memory is D^2 numbers and one portion of images, and N (D
+ K) numbers more if a metric needs the features and logits of single images, E^2 if one needs spatial features.
Everything but labels, modes and digests stays on the extractor's device, and the host waits for nothing but the pixels
of the portion before, of which it computes the digest.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saddlepoint.data.evaluation_images import Block
from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.game.device_memory import Download, fits, upload
from saddlepoint.game.modes import device_of
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import BLOCK, Blocks
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.portions import Portion
from saddlepoint.metrics.sums import Moments, SplitScores
from saddlepoint.parallel.collectives import gather_objects, place, sum_over_processes

log = logging.getLogger(__name__)
MOST_NAMED = 10  # files in one message


@dataclass(frozen=True)
class Keep:
    """A choice of what is kept beside the sums that every metric may need: features, logits and modes of every single
    image, and sums over spatial features."""

    features: bool = False
    logits: bool = False
    modes: bool = False
    spatial: bool = False  # of spatial features the moments alone, E^2 numbers


def collect(blocks: Blocks, count: int, extractor: Extractor, keep: Keep, splits: int = 1) -> Sample:
    """Passes `count` images through the extractor, shared among all processes, and returns the whole sample to each.

    An error in one process is raised in all, so that none waits for another. `splits` is the number of splits of the
    Inception Score if its sums are to be kept, else 0.
    """
    collector, problem = Collector(count, extractor, keep, splits), None
    try:
        for portion in collector.portions(blocks):
            collector.add(portion)
        collector.finish()
    except EndOfRun as error:
        problem = error
    raise_in_all_processes(gather_objects((problem, count)))
    return collector.sample()


def raise_in_all_processes(outcomes: Sequence[tuple[EndOfRun | None, int]]) -> None:
    """Raises the first process's error, or a RequestError if the processes count different numbers of images.

    `outcomes` has for each process the error that ended its pass, if any, and the number of images that it counted.
    """
    if problem := next((problem for problem, _ in outcomes if problem), None):
        raise problem
    counts = [f"{count:,} of process {number}" for number, (_, count) in enumerate(outcomes)]
    if len({count for _, count in outcomes}) > 1:
        raise RequestError(f"The processes do not see the same images: {', '.join(counts)}. Give all machines the same "
                           "folder with the same files, or measure with one process")


class Collector:
    """Sums and rows of the images that this process has seen so far; `sample` adds up those of all processes."""

    def __init__(self, count: int, extractor: Extractor, keep: Keep, splits: int):
        self.extractor, self.num_classes, self.device = extractor, extractor.num_classes, device_of(extractor)
        self.home = torch.device("cpu") if self.device.type == "mps" else self.device  # MPS has no float64
        self.portion = Portion(self.device)
        self.moments = Moments(extractor.num_features, self.home)
        self.spatial = Moments(extractor.num_spatial, self.home) if keep.spatial and extractor.num_spatial else None
        self.scores = SplitScores(self.num_classes, count, splits, self.home) if self.num_classes and splits else None
        self.unreadable: dict[str, str] = {}
        self.rows: dict[str, Tensor] = {  # one per image; those of other processes stay zero until they are added
            "labels": torch.zeros(count, dtype=torch.long),
            "seen": torch.zeros(count, dtype=torch.uint8),
            "digests": torch.zeros(math.ceil(count / BLOCK), 32, dtype=torch.uint8),
        }
        if keep.modes and extractor.mode_rule:
            self.rows["modes"] = torch.zeros(count, dtype=torch.long)
        widths = {"features": extractor.num_features * keep.features, "logits": self.num_classes * keep.logits}
        kept_on = self.home if fits(4 * count * sum(widths.values()), self.home) else torch.device("cpu")
        self.outputs = {name: torch.zeros(count, width, device=kept_on) for name, width in widths.items() if width}
        self._finish_portion: Callable[[], None] = lambda: None

    def portions(self, blocks: Blocks) -> Iterator[list[tuple[int, Block]]]:
        """Yields the blocks in lists of those that pass through the extractor together."""
        portion: list[tuple[int, Block]] = []
        for numbered in blocks:
            portion.append(numbered)
            if len(portion) >= self.portion.blocks:
                yield portion
                portion = []
        if portion:
            yield portion

    @torch.no_grad()
    def add(self, portion: Sequence[tuple[int, Block]]) -> None:
        """Adds blocks, each with the number of its first image in the whole set."""
        for _, block in portion:
            self.unreadable |= block.unreadable
        portion = [(first, block) for first, block in portion if len(block.images)]
        if not portion:
            return
        images = [block.images for _, block in portion]
        images = images[0] if len(images) == 1 else torch.cat(images)
        pixels = Download(images)
        with self.portion.measured():
            features, logits, spatial, modes = self.extractor(upload(images, self.device))
        features, logits = features.to(self.home), None if logits is None else logits.to(self.home)
        self.moments.update(features)
        if self.spatial is not None:
            self.spatial.update(spatial.to(self.home))
        lengths = [len(block.images) for _, block in portion]
        if self.scores is not None:
            for (first, _), part in zip(portion, logits.split(lengths), strict=True):
                self.scores.update(part, first)
        computed = {"features": features, "logits": logits}
        outputs = {name: Download(computed[name]) if kept.is_cpu else computed[name]
                   for name, kept in self.outputs.items()}
        if "modes" in self.rows:
            outputs["modes"] = Download(modes)
        self._finish_portion()
        self._finish_portion = lambda: self._store(portion, lengths, pixels, outputs)

    def finish(self) -> None:
        """Waits for the last portion. Raises a RequestError if features of some images are not finite."""
        self._finish_portion()
        self.moments.require_finite()
        if self.spatial is not None:
            self.spatial.require_finite()

    def _store(self, portion: Sequence[tuple[int, Block]], lengths: list[int], pixels: Download,
               outputs: Mapping[str, Tensor | Download]) -> None:
        """Stores what is kept of each image of a portion, which was computed meanwhile."""
        columns = {name: (each.wait() if isinstance(each, Download) else each).split(lengths)
                   for name, each in outputs.items()}
        for number, ((first, block), images) in enumerate(zip(portion, pixels.wait().split(lengths), strict=True)):
            rows = slice(first, first + len(images))
            self.rows["labels"][rows], self.rows["seen"][rows] = block.labels, 1
            self.rows["digests"][first // BLOCK] = _digest(images, block.labels)
            for name, parts in columns.items():
                (self.outputs if name in self.outputs else self.rows)[name][rows] = parts[number]

    def sample(self) -> Sample:
        """Returns the sample of all processes' images. Raises a RequestError if no image could be read."""
        moments = Moments.from_tensors(sum_over_processes(self.moments.tensors()))
        spatial = self.spatial
        if spatial is not None:
            spatial = Moments.from_tensors(sum_over_processes(spatial.tensors()))
        scores = self.scores
        if scores is not None:
            scores = SplitScores.from_tensors(sum_over_processes(scores.tensors()))
        rows = sum_over_processes(self.rows | self.outputs)
        digests, seen = rows.pop("digests"), rows.pop("seen").bool()
        unreadable = {name: reason for each in gather_objects(self.unreadable) for name, reason in each.items()}
        warn_of_unreadable(unreadable)
        if not seen.any():
            names = "; ".join(f"{name}: {why}" for name, why in sorted(unreadable.items())[:1])
            raise RequestError(f"Not one of {len(seen)} images can be read, e.g. {names}")
        if not seen.all():
            rows = {name: tensor[seen.to(tensor.device)] for name, tensor in rows.items()}
        digest = hashlib.sha256(digests.numpy().tobytes()).hexdigest()
        return Sample(moments, scores, **rows, spatial=spatial, mode_rule=self.extractor.mode_rule, digest=digest,
                      unreadable=unreadable).on(self.home)


def warn_of_unreadable(unreadable: Mapping[str, str]) -> None:
    """Logs one warning, in the first process only, that counts the unreadable files and names some (file -> reason)."""
    if unreadable and place()[0] == 0:
        named = "; ".join(f"{name}: {why}" for name, why in sorted(unreadable.items())[:MOST_NAMED])
        more = "; and more" if len(unreadable) > MOST_NAMED else ""
        one = len(unreadable) == 1
        log.warning("%d image %s cannot be read and %s left out of the metrics: %s%s", len(unreadable),
                    "file" if one else "files", "is" if one else "are", named, more)


def _digest(images: Tensor, labels: Tensor) -> Tensor:
    content = hashlib.sha256(repr(tuple(images.shape)).encode())
    content.update(images.contiguous().numpy().data)
    content.update(labels.contiguous().numpy().data)
    return torch.frombuffer(bytearray(content.digest()), dtype=torch.uint8)
