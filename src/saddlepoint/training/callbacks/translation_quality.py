"""Measures translations of validation images during training, and draws pictures of some.

N images of K channels (the source) or C channels (the target), H x W pixels.
"""

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from tqdm import tqdm

from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.data import pixels
from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import TranslationBatch, UnpairedBatch
from saddlepoint.game.translation import TranslationModule
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.provenance import finite_or_none
from saddlepoint.metrics.translation import Quality, against_truth, kept_class, mean_error
from saddlepoint.sampling import pictures
from saddlepoint.sampling.translation import translate
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.best import keep_greatest
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.callbacks.scores import write_scores
from saddlepoint.training.callbacks.table import add_points
from saddlepoint.training.loggers.adapters import show

BEST = "psnr_rgb"  # decides checkpoints/best.ckpt


class ValidationImages(NamedTuple):
    """Images that are not trained on, uint8."""

    source: Tensor  # [N, K, H, W]
    truth: Tensor | None  # [N, C, H, W] what they should become; None: not known
    target: Tensor | None  # [M, C, H, W] images of the target domain for the way back; None: the truth


class TranslationQuality(AtMoments):
    """A callback that translates validation images with the sampling generator, at intervals and at the end of the
    budget. It has no influence on training.

    Where the true translations are known it writes the means of PSNR, which decides which state of the run is
    checkpoints/best.ckpt, and of the absolute error, beside those of the untranslated sources. Of a model that also
    translates back it writes the mean error of the way there and back. Pictures have a row for each image: source,
    translation, the way back, truth; and for a model that translates back a second one in the other direction.

    context: data and extractor
    every_images: images between two measurements; `auto`: 20 of them over the budget; None: never
    moments: numbers of images seen at which to measure as well; 0 is before the first step
    most_images: validation images at most
    pictures: how many of them to draw
    dropout: translates with dropout, and each image's own statistics in BatchNorm
    kept_class: measures the share of translations that keep their class, by the extractor's classifier
    """

    def __init__(self, context: EvaluationContext, every_images: Pace, moments: Sequence[WholeNumber],
                 most_images: Count, pictures: WholeNumber, dropout: bool, kept_class: bool):
        super().__init__(every_images, moments)
        self.num_pictures, self.dropout = pictures, dropout
        self.images = validation_images(context.data, most_images)
        self.extractor = context.extractor if kept_class else None
        if self.extractor is not None and not self.extractor.num_classes:
            raise RequestError(f"callbacks.translation_quality.kept_class=true needs a classifier, and extractor="
                               f"{self.extractor.name} knows no classes: type extractor=digits, or kept_class=false")
        self.best: float | None = None
        self.best_of: str | None = None
        self.seconds = 0.0

    def begin(self, trainer: pl.Trainer, module: TranslationModule) -> None:
        if self.extractor is not None:
            self.extractor.to(module.device)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_of": self.best_of, "seconds": self.seconds} | super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.best, self.seconds = state_dict["best"], state_dict["seconds"]
        self.best_of = state_dict.get("best_of")  # earlier versions did not keep it

    def act(self, trainer: pl.Trainer, module: TranslationModule) -> None:
        """Translates the images, measures them, draws some and writes the values."""
        started, (source, truth, _) = time.perf_counter(), self.images
        translated, there_and_back = self.there_and_back(module, source, "generator", "inverse_generator")
        values = {} if truth is None else against_truth(translated, source, truth)
        if self.extractor is not None:
            values[f"kept_class_{self.extractor.name}"] = kept_class(self.extractor, translated, source, truth)
        if there_and_back is not None:
            values["cycle_error"] = Quality(mean_error(there_and_back, source))
        if self.num_pictures:
            self.draw(trainer, module, translated, there_and_back)
        if BEST in values:
            measured_on = digest_of(self.images) + " with dropout" * self.dropout
            keep_greatest(self, trainer, module, BEST, values[BEST].value, measured_on)
        self.seconds += time.perf_counter() - started
        self.write(trainer, module, values)

    def there_and_back(self, module: TranslationModule, images: Tensor, there: str, back: str
                       ) -> tuple[Tensor, Tensor | None]:
        """Returns the translations of images by the network called `there`, and those of these by the one called
        `back`, None if the model has no such network; all uint8."""
        networks = module.sampling_networks
        translated = translate(networks[there], pixels.to_unit_range(images), self.dropout)
        again = translate(networks[back], translated, self.dropout) if back in networks else None
        return pixels.to_bytes(translated), None if again is None else pixels.to_bytes(again)

    def draw(self, trainer: pl.Trainer, module: TranslationModule, translated: Tensor,
             there_and_back: Tensor | None) -> None:
        """Draws some images in each direction in which the model translates."""
        source, truth, target = self.images
        rows = spread(len(source), self.num_pictures)
        self.publish(trainer, "translation", *(None if images is None else images[rows]
                                               for images in (source, translated, there_and_back, truth)))
        target = truth if target is None else target
        if there_and_back is not None and target is not None:
            target = target[spread(len(target), self.num_pictures)]
            back = self.there_and_back(module, target, "inverse_generator", "generator")
            self.publish(trainer, "back", target, *back)

    def publish(self, trainer: pl.Trainer, name: str, *columns: Tensor | None) -> None:
        """Writes samples/<name>_<images seen>.png, which has a column for each of `columns` that is not None, and shows
        it in the loggers."""
        shown = [pictures.visible(images) for images in columns if images is not None]
        if any(images.shape[1] == 3 for images in shown):
            shown = [images.expand(-1, 3, -1, -1) for images in shown]
        grid = pictures.grid(torch.stack(shown, dim=1).flatten(0, 1), columns=len(shown))
        path = Path(trainer.default_root_dir) / "samples" / f"{name}_{self.acted_at:010d}.png"
        pictures.write_png(path, grid)
        show(trainer.loggers, f"samples/{name}", grid, self.acted_at)

    def write(self, trainer: pl.Trainer, module: TranslationModule, values: dict[str, Quality]) -> None:
        """Writes the values into metrics.json with their protocol, as curves, and as a line on stderr."""
        protocol = {"num_images": len(self.images.source), "reference_digest": digest_of(self.images),
                    "ema": module.has_average, "dropout": self.dropout, "quantisation": "uint8",
                    "extractor": "" if self.extractor is None else self.extractor.name,
                    "digest": "" if self.extractor is None else self.extractor.digest}
        records = [{"name": name, **{key: None if each is None else finite_or_none(each)
                                     for key, each in quality._asdict().items()},
                    "images_seen": self.acted_at, "protocol": protocol} for name, quality in values.items()]
        write_scores(Path(trainer.default_root_dir), {"translation": records,
                                                      "cost": {"evaluation_seconds": self.seconds}})
        if not values:
            return
        curves = {f"quality/{name}": quality.value for name, quality in values.items()}
        add_points(trainer, self.acted_at, curves)
        tqdm.write(f"{self.acted_at:,} images: {', '.join(in_words(*each) for each in values.items())}",
                   file=sys.stderr)


def in_words(name: str, quality: Quality) -> str:
    beside = {"untranslated": quality.untranslated, "truth": quality.truth}
    beside = ", ".join(f"{words} {value:.4g}" for words, value in beside.items() if value is not None)
    return f"{name} {quality.value:.4g}" + (f" ({beside})" if beside else "")


def spread(count: int, most: int) -> Tensor:
    """Returns the places of at most `most` of `count` images, from the first to the last, as neighbours may show the
    same."""
    return torch.linspace(0, count - 1, min(most, count)).round().long()


def digest_of(images: ValidationImages) -> str:
    """Returns the SHA-256 of the pixels of sources and truths, as images of a name may be others elsewhere."""
    content = hashlib.sha256()
    for each in images[:2]:
        if each is not None:
            content.update(repr(tuple(each.shape)).encode())
            content.update(each.contiguous().numpy().data)
    return content.hexdigest()


def validation_images(data: ImageDataModule, count: int) -> ValidationImages:
    """Returns at most `count` images of the data that are not trained on."""
    if not issubclass(data.yields, TranslationBatch):
        raise RequestError(f"callbacks.translation_quality translates images, and data={data.name} has none to be "
                           "translated: type callbacks=default, or data=photo_edges with e.g. model=pix2pix")
    if issubclass(data.yields, UnpairedBatch):
        source, target, truth = data.validation_images(count)
        return ValidationImages(source, truth, target)
    source, target = data.validation_pairs(count)
    return ValidationImages(source, target, None)
