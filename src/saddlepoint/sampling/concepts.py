"""Concept vectors: the mean latents of images that have a property minus those of images without it (Radford, Metz and
Chintala 2016, section 6.3.2, https://arxiv.org/abs/1511.06434), as files that sample.py reads.

N images of C channels and H x W pixels, Z numbers in the latents of an image, K classes.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.files.outputs import digest_of
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.sampling.compositions import Picture, class_prefix, describe_class, file_numbers
from saddlepoint.sampling.directions import along, require_plain
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.latent_arithmetic import limit_to_trained

BLOCK = 250  # images classified at once


@dataclass(frozen=True)
class Concept:
    """A direction in the latents of one generator.

    vector: [Z]
    record: how it was found, for the file
    """

    vector: Tensor
    record: Mapping[str, Any]


def difference_of_means(positive: Tensor, negative: Tensor) -> Tensor:
    """latents [M, Z] of images with a property and [N, Z] without it -> the concept's vector [Z]"""
    return positive.mean(0) - negative.mean(0)


def length_by_chance(positive: int, negative: int, deviation: float, size: int) -> float:
    """Returns the root mean square length of the difference of the means of so many latents of `size` numbers which
    have nothing to do with the property: each number has variance deviation^2 (1 / positive + 1 / negative)."""
    return deviation * (size * (1 / positive + 1 / negative))**0.5


def classify(images: Tensor, extractor: Extractor) -> Tensor:
    """images [N, C, H, W] in [-1, 1] -> probabilities [N, K] of the classes that the extractor knows"""
    blocks = pixels.to_bytes(images).split(BLOCK)
    return torch.cat([extractor(block).logits.softmax(1).cpu() for block in blocks])


def sorted_latents(generator: SamplingGenerator, extractor: Extractor, classes: Sequence[int | None], count: int,
                   seed: int, confidence: float) -> list[Tensor]:
    """Returns for each of `classes` the latents [M, Z] of those of images 0 .. count - 1 of a seed that the extractor
    puts into it with a probability of at least `confidence`. A class that is None: all images of other classes than
    the first."""
    latents = generator.latents.of_images(seed, 0, count)
    probabilities, found = classify(generator.of_latents(latents), extractor).max(1)
    is_sure = probabilities >= confidence
    return [latents[is_sure & (found != classes[0] if each is None else found == each)] for each in classes]


def share_of_class(generator: SamplingGenerator, extractor: Extractor, label: int, concept: Tensor,
                   strengths: Sequence[float], seed: int, count: int) -> list[float]:
    """Returns the share, 0 to 1, of images of a seed that the extractor puts into a class, for each strength by which
    they were moved along the concept [Z]."""
    base = generator.latents.of_images(seed, 0, count)
    shares = []
    for strength in strengths:
        points = moved(base, concept, torch.tensor([strength]), generator)
        found = classify(generator.of_latents(points), extractor).argmax(1)
        shares.append((found == label).float().mean().item())
    return shares


def moved(base: Tensor, concept: Tensor, strengths: Tensor, generator: SamplingGenerator) -> Tensor:
    """Returns latents [N S, Z]: base [N, Z] plus each of the strengths [S] times the concept [Z]. They stay like
    latents of training: normal ones keep lengths that `base` has, uniform ones their range."""
    return limit_to_trained(along(base, concept[None], strengths, generator.latents), base, generator.latents)


def compose_concept(generator: SamplingGenerator, concept: Concept, name: str, strengths: Sequence[float], seed: int,
                    count: int, label: int | None) -> Picture:
    """Composes a row for each of images 0 .. count - 1 of a seed, moved along the concept by each strength."""
    require_plain(generator.latents, f"concept={name}")
    size = len(concept.vector)
    if size != generator.latents.size:
        raise RequestError(f"concept={name} is of latents of {size} numbers, and this run's have "
                           f"{generator.latents.size}: draw from the run that it was made of"
                           f"{of_run(concept.record)}")
    base = generator.latents.of_images(seed, 0, count)
    points = moved(base, concept.vector, torch.tensor(strengths, dtype=torch.float), generator)
    labels = generator.labels_of_images(seed, 0, count) if label is None else torch.full((count,), label)
    images = generator.of_latents(points, labels.repeat_interleave(len(strengths)))
    words = "_".join(f"{each:g}" for each in strengths)
    which = f"{name}_{digest_of({'vector': concept.vector.tolist()}, ())}"  # two files of concepts may be called alike
    return Picture(f"{class_prefix(label)}concept_{which}_strength{words}_seed{seed}_count{count}", images,
                   len(strengths), file_numbers(len(images)), describe_class(generator, label),
                   f"columns from the left: {', '.join(f'{each:g}' for each in strengths)} times the concept")


def of_run(record: Mapping[str, Any]) -> str:
    return f", {record['run']}" if record.get("run") else ""


def write(path: Path, concept: Concept) -> None:
    """Writes a concept as an .npz file: `vector` [Z] float32, and `record`, a JSON text."""
    def save(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            numpy.savez(stream, vector=concept.vector.numpy(), record=numpy.array(json.dumps(dict(concept.record))))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save, durably=False)


def read(path: Path) -> Concept:
    """Reads what `write` wrote; nothing in the file is executed. Raises a RequestError for any other file."""
    how = "make one with saddlepoint-concept"
    try:
        with numpy.load(path, allow_pickle=False) as content:
            vector, record = content["vector"], json.loads(str(content["record"]))
    except FileNotFoundError as error:
        raise RequestError(f"concept={path} does not exist: {how}") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise RequestError(f"concept={path} is no concept ({error}): {how}") from error
    if vector.ndim != 1 or vector.dtype.kind != "f" or not numpy.isfinite(vector).all() or not isinstance(record, dict):
        raise RequestError(f"concept={path} must hold a vector of finite numbers and how it was found: {how}")
    return Concept(torch.from_numpy(vector).float(), record)
