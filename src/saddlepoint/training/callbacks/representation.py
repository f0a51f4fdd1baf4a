"""The base of callbacks that show and measure what codes or encoders say of images that are not trained on."""

import hashlib
import math
import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from tqdm import tqdm

from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.data import pixels
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.sampling import fixed_subset
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import read_json
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.metrics.provenance import finite_or_none
from saddlepoint.sampling import pictures
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.callbacks.scores import write_scores
from saddlepoint.training.callbacks.table import add_points
from saddlepoint.training.loggers.adapters import show

BLOCK = 100  # images that are computed at once


class Measured(NamedTuple):
    """A value, and what it would be without learning anything."""

    value: float
    baseline: float


class Representation(AtMoments):
    """A callback that looks at intervals and at the end of the budget. A subclass says what it measures and draws.

    Its values are in metrics.json as `representation`, its curves are quality/<name>, its pictures are in samples/. It
    has no influence on training.

    data: the images; those of the split `test` if there is one, else those that are trained on
    every_images: images between two looks; `auto`: 12 of them over the budget; None: never
    moments: numbers of images seen at which to look as well; 0 is before the first step
    num_images: images that are looked at, at most, always the same ones
    """

    def __init__(self, data: ImageDataModule, every_images: Pace, moments: Sequence[WholeNumber],
                 num_images: Count):
        super().__init__(every_images, moments)
        self.data, self.num_images = data, num_images

    looks = 12
    uses_average: ClassVar[bool]  # whether the values are of the weights that draw (EMA), or of those that are trained

    @abstractmethod
    def measure(self, module: SynthesisModule) -> dict[str, Measured]:
        """Returns the values by name, in the order in which they are printed."""

    @abstractmethod
    def draw(self, module: SynthesisModule) -> dict[str, Tensor]:
        """Returns the pictures, uint8 [C, height, width], by name."""

    def begin(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        if trainer.is_global_zero:
            self.read_images()

    def read_images(self) -> None:
        """Reads the images, uint8 [N, C, S, S], and their classes [N]."""
        self.split = split_to_look_at(self.data)
        images = self.data.evaluation_images(self.split)
        mixed = images.subset(fixed_subset(len(images), min(self.num_images, len(images))))  # files come class by class
        block = mixed.block(range(len(mixed)))
        self.digest = hashlib.sha256(block.images.contiguous().numpy().data).hexdigest()
        self.images, self.labels = block.images, block.labels

    def blocks(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the images in [-1, 1] and their classes in blocks, on the device."""
        for images, labels in zip(self.images.split(BLOCK), self.labels.split(BLOCK), strict=True):
            yield pixels.to_unit_range(images.to(device)), labels.to(device)

    def act(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        """Measures and draws."""
        with torch.no_grad():
            values, drawn = self.measure(module), self.draw(module)
        for name, picture in drawn.items():
            path = Path(trainer.default_root_dir) / "samples" / f"{name}_{self.acted_at:010d}.png"
            pictures.write_png(path, picture)
            show(trainer.loggers, f"samples/{name}", picture, self.acted_at)
        if values:
            self.write(trainer, module, values)

    def write(self, trainer: pl.Trainer, module: SynthesisModule, values: dict[str, Measured]) -> None:
        """Writes the values into metrics.json, as curves, and as a line on stderr."""
        run = Path(trainer.default_root_dir)
        protocol = self.protocol(module)
        entries = [{"name": name, "value": finite_or_none(value), "baseline": baseline, "images_seen": self.acted_at,
                    "protocol": protocol} for name, (value, baseline) in values.items()]
        others = [each for each in (read_json(run / "metrics.json") or {}).get("representation", ())
                  if each["name"] not in values]
        write_scores(run, {"representation": others + entries})
        curves = {f"quality/{name}": value for name, (value, _) in values.items() if math.isfinite(value)}
        add_points(trainer, self.acted_at, curves)
        texts = [f"{name} {value:.4g} (baseline {baseline:.4g})" for name, (value, baseline) in values.items()]
        tqdm.write(f"{self.acted_at:,} images: {', '.join(texts)}", file=sys.stderr)

    def protocol(self, module: SynthesisModule) -> dict[str, Any]:
        """Returns how the values were measured, as metrics.json records it."""
        return {"reference": self.data.name, "reference_digest": self.digest, "split": self.split,
                "num_images": len(self.images), "ema": self.uses_average and module.has_average}


def split_to_look_at(data: ImageDataModule) -> str:
    """Returns `test` if the data has images that are not trained on, else `train`."""
    try:
        images = data.evaluation_images("test")
    except RequestError:
        return "train"
    return "test" if len(images) else "train"
