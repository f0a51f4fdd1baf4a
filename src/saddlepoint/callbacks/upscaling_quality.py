"""PSNR and SSIM of whole images through training, and pictures to look at; training does not notice."""

import hashlib
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from saddlepoint import checkpoint, pictures
from saddlepoint.callbacks.checkpointing import state
from saddlepoint.callbacks.moments import Moments
from saddlepoint.callbacks.table import Table
from saddlepoint.data.bicubic import resize
from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.pairs import PairFolder, WholePair
from saddlepoint.errors import RequestError
from saddlepoint.loggers.kinds import show
from saddlepoint.metrics.enlargement import Enlargement
from saddlepoint.metrics.provenance import or_null
from saddlepoint.modules.modes import evaluating
from saddlepoint.modules.super_resolution import SuperResolutionModule
from saddlepoint.run_directory import update_metrics

GAP = 4  # white pixels between the pictures of a comparison


class UpscalingQuality(pl.Callback):
    """Every `every_images` images (null: never), at `moments` and at the end: whole validation images enlarged by the
    generator that people see, their PSNR and SSIM (metrics/image_quality.py) averaged over the images, beside those of
    bicubic enlargement. PSNR on Y decides which checkpoint is checkpoints/best.ckpt. `pictures` of them are drawn side
    by side, bicubic, ours, truth, at most `picture_size` pixels of each side from the middle. `more`: niqe, lpips."""

    def __init__(self, data: PairFolder, every_images: int | None, moments: Sequence[int], most_images: int,
                 pictures: int, picture_size: int, more: Sequence[str] = ()):
        self.moments, self.num_pictures, self.picture_size = Moments(every_images, moments), pictures, picture_size
        self.measures = Enlargement(more)
        self.data, self.pairs = data, whole_pairs(data, most_images, self.measures)
        self.best: float | None = None
        self.measured_at, self.seconds = -1, 0.0

    def on_train_start(self, trainer: pl.Trainer, module: SuperResolutionModule) -> None:
        self.table = Table(Path(trainer.default_root_dir) / "metrics.csv")
        self.enlarged = [enlarged(pair) for pair in self.pairs]
        self.bicubic = self.averages(self.enlarged)
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
            made = [made_by(generator, pair.low.to(module.device)).cpu() for pair in self.pairs]
        values = self.averages(made)
        self.draw(trainer, made)
        self.keep_best(trainer, module, values["psnr_y"])
        self.seconds += time.perf_counter() - started
        self.write(trainer, module, values)

    def averages(self, made: list[Tensor]) -> dict[str, float]:
        return self.measures.means(made, [pair.high for pair in self.pairs], self.data.scale)

    def draw(self, trainer: pl.Trainer, made: list[Tensor]) -> None:
        shown = list(zip(self.pairs, self.enlarged, made, strict=True))[:self.num_pictures]
        for pair, bicubic, ours in shown:
            row = side_by_side([centre(image, self.picture_size) for image in (bicubic, ours, pair.high)])
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
        measured = [{"name": name, "value": or_null(value), "bicubic": or_null(self.bicubic[name]),
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
    """All that can be read; what cannot is named."""
    pairs, reasons = [], []
    for file in data.validation_files()[:most_images]:
        try:
            pair = data.whole_pair(file)
            measures(pair.high, pair.high, data.scale)  # large enough to be measured
            pairs.append(pair)
        except (Unreadable, ValueError, RequestError) as error:
            reasons.append(f"{file.name}: {error}")
    if reasons:
        print(f"warning: {len(reasons)} validation images cannot be used: {'; '.join(reasons)}", file=sys.stderr)
    if not pairs:
        raise RequestError("There are no validation images to measure PSNR with: type data.validation_root=FOLDER, "
                           "data.train_fraction=0.9 to keep a tenth of data.root, or callbacks=none to train without")
    return pairs


def made_by(generator: nn.Module, low: Tensor) -> Tensor:
    """uint8 [C, h, w] -> uint8 [C, s*h, s*w]. A network may want sides that are multiples of a number: they are filled
    up with the last pixels, and what comes of these is cut off."""
    height, width = low.shape[1:]
    missing = (0, -width % generator.multiple, 0, -height % generator.multiple)
    made = generator(functional.pad(low[None].float() / 255, missing, mode="replicate"))[0]
    return to_bytes(made[:, :generator.scale * height, :generator.scale * width])


def enlarged(pair: WholePair) -> Tensor:
    """By MATLAB's bicubic: uint8 [C, H, W]"""
    return to_bytes(resize(pair.low[None].double() / 255, *pair.high.shape[1:]))[0]


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
