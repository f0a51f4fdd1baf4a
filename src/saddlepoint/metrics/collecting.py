"""Passes images through an extractor once and collects what all metrics are computed from.

N images, D features, K classes. Memory is D^2 numbers and one block of images, and N (D + K) numbers more if a metric
needs the features and logits of single images.
"""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saddlepoint.data.evaluation_images import Block
from saddlepoint.errors import EndOfRun, RequestError
from saddlepoint.game.modes import device_of
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import BLOCK, Blocks
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.sums import Moments, SplitScores
from saddlepoint.parallel.collectives import gather_objects, place, sum_over_processes

log = logging.getLogger(__name__)
MOST_NAMED = 10  # files in one message


@dataclass(frozen=True)
class Keep:
    """A choice of what is kept of every single image, beside the sums over all of them."""

    features: bool = False
    logits: bool = False


def collect(blocks: Blocks, count: int, extractor: Extractor, keep: Keep, splits: int = 1) -> Sample:
    """Passes `count` images through the extractor, shared among all processes, and returns the whole sample to each.

    An error in one process is raised in all, so that none waits for another. `splits` is the number of splits of the
    Inception Score if its sums are to be kept, else 0.
    """
    collector, problem = Collector(count, extractor, keep, splits), None
    try:
        for first, block in blocks:
            collector.add(first, block)
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
        self.extractor, self.num_classes = extractor, extractor.num_classes
        self.moments = Moments(extractor.num_features)
        self.scores = SplitScores(self.num_classes, count, splits) if self.num_classes and splits else None
        self.unreadable: dict[str, str] = {}
        self.rows: dict[str, Tensor] = {  # one per image; those of other processes stay zero until they are added
            "labels": torch.zeros(count, dtype=torch.long),
            "seen": torch.zeros(count, dtype=torch.uint8),
            "digests": torch.zeros(math.ceil(count / BLOCK), 32, dtype=torch.uint8),
        }
        if keep.features:
            self.rows["features"] = torch.zeros(count, extractor.num_features)
        if keep.logits and self.num_classes:
            self.rows["logits"] = torch.zeros(count, self.num_classes)

    @torch.no_grad()
    def add(self, first: int, block: Block) -> None:
        """Adds the block that begins with image number `first` of the whole set."""
        self.unreadable |= block.unreadable
        if not len(block.images):
            return
        device = device_of(self.extractor)
        with torch.autocast(device.type, enabled=False):  # half precision would move every number
            features, logits = self.extractor(block.images.to(device))
        features = features.cpu()
        self.moments.update(features)
        if self.scores is not None:
            self.scores.update(logits, first)
        rows = slice(first, first + len(features))
        columns = {"labels": block.labels, "seen": 1, "features": features, "logits": logits}
        for name in self.rows.keys() & columns.keys():
            self.rows[name][rows] = columns[name]
        self.rows["digests"][first // BLOCK] = _digest(block)

    def sample(self) -> Sample:
        """Returns the sample of all processes' images. Raises a RequestError if no image could be read."""
        moments = Moments.from_tensors(sum_over_processes(self.moments.tensors()))
        scores = self.scores
        if scores is not None:
            scores = SplitScores.from_tensors(sum_over_processes(scores.tensors()))
        rows = sum_over_processes(self.rows)
        digests, seen = rows.pop("digests"), rows.pop("seen").bool()
        unreadable = {name: reason for each in gather_objects(self.unreadable) for name, reason in each.items()}
        warn_of_unreadable(unreadable)
        if not seen.any():
            names = "; ".join(f"{name}: {why}" for name, why in sorted(unreadable.items())[:1])
            raise RequestError(f"Not one of {len(seen)} images can be read, e.g. {names}")
        if not seen.all():
            rows = {name: tensor[seen] for name, tensor in rows.items()}
        digest = hashlib.sha256(digests.numpy().tobytes()).hexdigest()
        return Sample(moments, scores, **rows, digest=digest, unreadable=unreadable)


def warn_of_unreadable(unreadable: Mapping[str, str]) -> None:
    """Logs one warning, in the first process only, that counts the unreadable files and names some (file -> reason)."""
    if unreadable and place()[0] == 0:
        named = "; ".join(f"{name}: {why}" for name, why in sorted(unreadable.items())[:MOST_NAMED])
        more = "; and more" if len(unreadable) > MOST_NAMED else ""
        one = len(unreadable) == 1
        log.warning("%d image %s cannot be read and %s left out of the metrics: %s%s", len(unreadable),
                    "file" if one else "files", "is" if one else "are", named, more)


def _digest(block: Block) -> Tensor:
    content = hashlib.sha256(repr(tuple(block.images.shape)).encode())
    content.update(block.images.contiguous().numpy().data)
    content.update(block.labels.contiguous().numpy().data)
    return torch.frombuffer(bytearray(content.digest()), dtype=torch.uint8)
