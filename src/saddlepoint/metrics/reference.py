"""What the real images look like to an extractor, remembered on disk: 50,000 images through Inception take a laptop a
quarter of an hour, and never change.

A file's key is everything its content depends on, so nothing is ever out of date; the folder may be deleted.
"""

import contextlib
import hashlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.errors import RequestError
from saddlepoint.metrics.collecting import Keep, say_what_is_left_out
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import BLOCK
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.sums import Moments
from saddlepoint.parallel.collectives import place, summed
from saddlepoint.runs import checkpoint

_VERSION = 2  # of what is stored: goes up when decoding, an extractor's arithmetic or the file's content changes
_PACKAGES = ("torch", "torchvision", "pillow", "tifffile", "imagecodecs", "numpy")


def reference(still: EvaluationImages, extractor: Extractor, keep: Keep, look: Callable[[], Sample],
              folder: Path | None = None) -> Sample:
    """The sample of `still`: from `folder` if it is there with all that `keep` asks for, else from `look`, and stored.
    folder: null remembers nothing."""
    if folder is None:
        return look()
    path = folder / "reference" / f"{_key(still, extractor)}.ckpt"
    sample = _read(path, keep, len(still))
    if not _everywhere(sample is not None):  # looking takes all processes
        sample = look()
        if place()[0] == 0:
            _store(path, sample, still)
    else:
        say_what_is_left_out(sample.unreadable)
    return sample


def _key(still: EvaluationImages, extractor: Extractor) -> str:
    versions = [metadata.version(package) for package in _PACKAGES]
    dependencies = (_VERSION, BLOCK, still.identity(), len(still), still.channels, still.image_size, extractor.name,
                    extractor.digest, extractor.resize, versions)
    return hashlib.sha256(repr(dependencies).encode()).hexdigest()


def _everywhere(found: bool) -> bool:
    return summed({"found": torch.tensor(int(found))})["found"].item() == place()[1]


def _read(path: Path, keep: Keep, count: int) -> Sample | None:
    try:
        stored = checkpoint.load(path)
    except RequestError:  # not there, or damaged: made again
        return None
    if keep.features and "features" not in stored["rows"] or keep.logits and "logits" not in stored["rows"]:
        return None
    unreadable = stored.get("unreadable", {})
    if len(stored["rows"]["labels"]) + len(unreadable) != count:  # earlier versions did not store what was unreadable
        return None
    return Sample(Moments.from_tensors(stored["moments"]), **stored["rows"], digest=stored["digest"],
                  unreadable=unreadable)


def _store(path: Path, sample: Sample, still: EvaluationImages) -> None:
    rows = {"features": sample.features, "logits": sample.logits, "labels": sample.labels}
    content: dict[str, Any] = {
        "of": f"{still.name} {still.split}",
        "moments": sample.moments.tensors(),
        "rows": {name: tensor for name, tensor in rows.items() if tensor is not None},
        "digest": sample.digest,
        "unreadable": dict(sample.unreadable),
    }
    with contextlib.suppress(OSError):  # a full disk or a folder that is read only costs time, not the run
        checkpoint.save(path, content)
