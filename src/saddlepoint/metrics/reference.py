"""Stores an extractor's output for the real images on disk. They are the same in every evaluation, and 50,000 images
through Inception take a laptop a quarter of an hour.

The name of a file is a digest of everything that its content depends on, so no file is ever out of date. The folder may
be deleted at any time.
"""

import contextlib
import hashlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import device_of
from saddlepoint.metrics.collecting import Keep, warn_of_unreadable
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.images import BLOCK
from saddlepoint.metrics.metric import Sample
from saddlepoint.metrics.sums import Moments
from saddlepoint.parallel.collectives import place, sum_over_processes
from saddlepoint.runs import checkpoint

_VERSION = 3  # of the files: raise it when decoding, an extractor's arithmetic or the format of the file changes
_PACKAGES = ("torch", "torchvision", "pillow", "tifffile", "imagecodecs", "numpy")


def reference(images: EvaluationImages, extractor: Extractor, keep: Keep, look: Callable[[], Sample],
              folder: Path | None = None) -> Sample:
    """Returns the sample of real images: from a file in `folder` if one has everything that `keep` names, else from
    `look`, whose result is then stored. Without a folder nothing is read or stored."""
    if folder is None:
        return look()
    path = folder / "reference" / f"{_key(images, extractor)}.ckpt"
    sample = _read(path, keep, len(images))
    if not _all_have_it(sample is not None):  # looking at images takes all processes
        sample = look()
        if place()[0] == 0:
            _store(path, sample, images)
    else:
        warn_of_unreadable(sample.unreadable)
    return sample


def _key(images: EvaluationImages, extractor: Extractor) -> str:
    versions = [metadata.version(package) for package in _PACKAGES]
    dependencies = (_VERSION, BLOCK, images.identity(), len(images), images.channels, images.image_size, extractor.name,
                    extractor.digest, extractor.resize, versions)
    if extractor.mode_rule:
        dependencies += (extractor.mode_rule.words,)
    if (kind := device_of(extractor).type) != "cpu":  # another device rounds otherwise
        dependencies += (kind,)
    return hashlib.sha256(repr(dependencies).encode()).hexdigest()


def _all_have_it(has_sample: bool) -> bool:
    """Returns whether every process has read the sample."""
    return sum_over_processes({"count": torch.tensor(int(has_sample))})["count"].item() == place()[1]


def _read(path: Path, keep: Keep, count: int) -> Sample | None:
    """Returns the stored sample, or None if there is none of `count` images with everything that `keep` names."""
    try:
        stored = checkpoint.load(path)
    except RequestError:  # missing or damaged: it is written anew
        return None
    if any(wanted and name not in stored["rows"] for name, wanted in (("features", keep.features),
                                                                      ("logits", keep.logits), ("modes", keep.modes))):
        return None
    spatial = stored.get("spatial")
    if keep.spatial and spatial is None:
        return None
    unreadable = stored.get("unreadable", {})
    if len(stored["rows"]["labels"]) + len(unreadable) != count:  # earlier versions did not store what was unreadable
        return None
    return Sample(Moments.from_tensors(stored["moments"]), **stored["rows"], digest=stored["digest"],
                  spatial=None if spatial is None else Moments.from_tensors(spatial), unreadable=unreadable)


def _store(path: Path, sample: Sample, images: EvaluationImages) -> None:
    rows = {name: getattr(sample, name) for name in ("features", "logits", "labels", "modes")}
    content: dict[str, Any] = {
        "of": f"{images.name} {images.split}",
        "moments": _on_cpu(sample.moments),
        "spatial": None if sample.spatial is None else _on_cpu(sample.spatial),
        "rows": {name: tensor.cpu() for name, tensor in rows.items() if tensor is not None},
        "digest": sample.digest,
        "unreadable": dict(sample.unreadable),
    }
    with contextlib.suppress(OSError):  # a full disk or a folder that is read only costs time, not the run
        checkpoint.save(path, content)


def _on_cpu(moments: Moments) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in moments.tensors().items()}
