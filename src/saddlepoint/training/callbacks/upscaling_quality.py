"""PSNR and SSIM of whole images through training, and pictures to look at; training does not notice."""

import hashlib
import math
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from tqdm import tqdm

from saddlepoint.config.rules import Count, WholeNumber, list_of, one_of
from saddlepoint.data.bicubic import resize
from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.listing import ImageFile
from saddlepoint.data.pairs import PairFolder, WholePair, unlike_warning
from saddlepoint.errors import RequestError
from saddlepoint.files.names import distinct, shortened
from saddlepoint.game.modes import evaluating
from saddlepoint.game.super_resolution import SuperResolutionModule
from saddlepoint.metrics.enlargement import Enlargement
from saddlepoint.metrics.provenance import finite_or_none
from saddlepoint.runs import checkpoint
from saddlepoint.runs.directory import update_metrics
from saddlepoint.sampling import pictures
from saddlepoint.training.callbacks.checkpointing import state
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.table import Table
from saddlepoint.training.loggers.adapters import show
from saddlepoint.upscaling.tiling import TILE, NotFinite, TiledUpscaler

GAP = 4  # white pixels between the pictures of a comparison


class UpscalingQuality(pl.Callback):
    """Every `every_images` images (null: never), at `moments` and at the end: whole validation images enlarged by the
    generator that people see, their PSNR and SSIM (metrics/image_quality.py) averaged over the images, beside those of
    bicubic enlargement. PSNR on Y decides which checkpoint is checkpoints/best.ckpt. `pictures` of them are drawn side
    by side, bicubic, ours, truth, at most `picture_size` pixels of each side from the middle. `more`: niqe, lpips."""

    def __init__(self, data: PairFolder, every_images: Count | None, moments: Sequence[WholeNumber], most_images: Count,
                 pictures: WholeNumber, picture_size: Count,
                 more: Annotated[Sequence[str], list_of(one_of("niqe", "lpips"), empty=True)] = ()):
        self.moments, self.num_pictures, self.picture_size = Every(every_images, moments), pictures, picture_size
        self.measures = Enlargement(more)
        self.data, self.pairs = data, whole_pairs(data, most_images, self.measures)
        self.best: float | None = None
        self.measured_at, self.seconds, self.tile = -1, 0.0, TILE

    def on_train_start(self, trainer: pl.Trainer, module: SuperResolutionModule) -> None:
        self.table = Table(Path(trainer.default_root_dir) / "metrics.csv")
        self.bicubic, self.bicubic_shown = self.averages(map(enlarged, self.pairs))
        if 0 in self.moments.at and module.images_seen == 0:
            self.measure(trainer, module)

    def on_train_batch_end(self, trainer, module: SuperResolutionModule, outputs, batch, batch_index) -> None:
        if self.moments.due(module.images_before, module.images_seen):
            self.measure(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: SuperResolutionModule) -> None:
        if module.images_seen != self.measured_at and module.images_seen >= module.budget_images:
            self.measure(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.seconds = state_dict["best"], state_dict["seconds"]

    def measure(self, trainer: pl.Trainer, module: SuperResolutionModule) -> None:
        self.measured_at = module.images_seen
        if not trainer.is_global_zero:
            return
        started = time.perf_counter()
        with torch.inference_mode(), evaluating(module.sampling_generator) as generator:
            values, shown = self.of_generator(generator)
        self.draw(trainer, shown)
        self.keep_best(trainer, module, values["psnr_y"])
        self.seconds += time.perf_counter() - started
        self.write(trainer, module, values)

    def of_generator(self, generator: nn.Module) -> tuple[dict[str, float], list[Tensor]]:
        """In tiles, so that a photograph of any size takes bounded memory"""
        upscaler = TiledUpscaler(generator, self.tile)
        try:
            return self.averages(upscaler(pair.low) for pair in self.pairs)
        except NotFinite:  # what this is to training, training decides
            return dict.fromkeys(self.bicubic, math.nan), []
        finally:
            self.tile = upscaler.tile  # smaller, where memory ran out

    def averages(self, made: Iterable[Tensor]) -> tuple[dict[str, float], list[Tensor]]:
        """-> means over the images, which are looked at one by one, and what of them is drawn"""
        shown: list[Tensor] = []

        def looked_at() -> Iterator[Tensor]:
            for image in made:
                if len(shown) < self.num_pictures:
                    shown.append(centre(image, self.picture_size).clone())
                yield image

        return self.measures.means(looked_at(), (pair.high for pair in self.pairs), self.data.scale), shown

    def draw(self, trainer: pl.Trainer, shown: list[Tensor]) -> None:
        for pair, bicubic, ours in zip(self.pairs, self.bicubic_shown, shown, strict=False):
            row = side_by_side([bicubic, ours, centre(pair.high, self.picture_size)])
            name = f"{pair.name}_{self.measured_at:010d}.png"
            pictures.write_png(Path(trainer.default_root_dir) / "samples" / name, row)
            show(trainer.loggers, f"bicubic_ours_truth/{pair.name}", row, self.measured_at)

    def keep_best(self, trainer: pl.Trainer, module: SuperResolutionModule, value: float) -> None:
        if math.isfinite(value) and (self.best is None or value > self.best):
            self.best = value
            path = Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt"
            best = {"name": "psnr_y", "value": value, "images_seen": self.measured_at}
            checkpoint.save(path, state(module) | {"best": best})

    def write(self, trainer: pl.Trainer, module: SuperResolutionModule, values: dict[str, float]) -> None:
        protocol = {"images": [pair.name for pair in self.pairs], "scale": self.data.scale, "border": self.data.scale,
                    "ema": module.sampling_generator is not module.generator, "quantisation": "uint8",
                    "low": "files" if self.data.validation_low_root else "bicubic (MATLAB)",
                    "reference_digest": digest_of(self.pairs),
                    "low_in_training": self.data.low_in_training, "range_y": "16 to 235 (BT.601)"}
        measured = [{"name": name, "value": finite_or_none(value), "bicubic": finite_or_none(self.bicubic[name]),
                     "images_seen": self.measured_at, "protocol": protocol} for name, value in values.items()]
        update_metrics(Path(trainer.default_root_dir), {"image_quality": measured,
                                                        "cost": {"evaluation_seconds": self.seconds}})
        curves = {f"quality/{name}": value for name, value in values.items()}
        self.table.add({"images_seen": self.measured_at} | curves)
        for logger in trainer.loggers:
            logger.log_metrics(curves, step=self.measured_at)
        said = ", ".join(f"{name} {value:.4g} (bicubic {self.bicubic[name]:.4g})" for name, value in values.items())
        tqdm.write(f"{self.measured_at:,} images: {said}", file=sys.stderr)


def digest_of(pairs: Sequence[WholePair]) -> str:
    """SHA-256 of their pixels: photographs of one name may be others elsewhere"""
    content = hashlib.sha256()
    for image in (image for pair in pairs for image in (pair.high, pair.low)):
        content.update(repr(tuple(image.shape)).encode())
        content.update(image.contiguous().numpy().data)
    return content.hexdigest()


def whole_pairs(data: PairFolder, most_images: int, measures: Enlargement) -> list[WholePair]:
    """The first `most_images` that can be read, under names of their own; what is left out is said."""
    files = data.validation_files()
    pairs, reasons = [], []
    for file, name in zip(files, names_of(files), strict=True):
        if len(pairs) == most_images:
            break
        try:
            pair = data.whole_pair(file)._replace(name=name)
            measures(pair.high, pair.high, data.scale)  # large enough to be measured
            pairs.append(pair)
        except (Unreadable, ValueError, RequestError) as error:
            reasons.append(f"{file.name}: {error}")
    if reasons:
        print(f"warning: {len(reasons)} validation images cannot be used: {'; '.join(reasons)}", file=sys.stderr)
    if any(pair.unlike is not None for pair in pairs):
        print(f"warning: {unlike_warning({pair.name: pair.unlike for pair in pairs})}", file=sys.stderr)
    if not pairs:
        raise RequestError("There are no validation images to measure PSNR with: type data.validation_root=FOLDER, "
                           "data.train_fraction=0.9 to keep a tenth of data.root, or callbacks=none to train without")
    if len(pairs) + len(reasons) < len(files):
        print(f"PSNR and SSIM are measured of {len(pairs)} of {len(files)} validation images: type "
              f"callbacks.upscaling_quality.most_images={len(files)} to measure all", file=sys.stderr)
    return pairs


def names_of(files: Sequence[ImageFile]) -> list[str]:
    """For pictures and curves: without folder and ending, unless two are called so"""
    whole = [re.sub("[\ud800-\udfff]", "_", file.name) for file in files]  # loggers take no bytes that are not UTF-8
    names = distinct([PurePosixPath(name).stem for name in whole], [name.replace("/", "_") for name in whole])
    return [shortened(name, added=len("_0000000000.png")) for name in names]


@torch.inference_mode()
def enlarged(pair: WholePair) -> Tensor:
    """By MATLAB's bicubic: uint8 [C, H, W], one channel at a time, which takes less memory"""
    height, width = pair.high.shape[1:]
    channels = pair.low.split(1)
    return torch.cat([to_bytes(resize(channel[None].double() / 255, height, width))[0] for channel in channels])


def to_bytes(images: Tensor) -> Tensor:
    """[0, 1] -> uint8, rounded and clipped"""
    return (images * 255).round_().clamp_(0, 255).to(torch.uint8)


def centre(image: Tensor, size: int) -> Tensor:
    """[C, H, W] -> at most size x size pixels from its middle"""
    height, width = image.shape[1:]
    top, left = max(height - size, 0) // 2, max(width - size, 0) // 2
    return image[:, top:top + size, left:left + size]


def side_by_side(images: Sequence[Tensor]) -> Tensor:
    gap = images[0].new_full((images[0].shape[0], images[0].shape[1], GAP), 255)
    return torch.cat([part for image in images for part in (image, gap)][:-1], dim=2)
