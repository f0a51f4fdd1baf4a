"""Measures PSNR and SSIM of whole validation images during training, and draws pictures of some."""

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
from saddlepoint.data.pairs import PairFolder, WholePair, mismatch_warning
from saddlepoint.errors import RequestError
from saddlepoint.files.names import distinct, shorten
from saddlepoint.game.modes import evaluating
from saddlepoint.game.super_resolution import SuperResolutionModule
from saddlepoint.metrics.enlargement import Enlargement
from saddlepoint.metrics.provenance import finite_or_none
from saddlepoint.sampling import pictures
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.best import keep_greatest
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.callbacks.scores import write_scores
from saddlepoint.training.callbacks.table import add_points
from saddlepoint.training.loggers.adapters import show
from saddlepoint.upscaling.tiling import TILE, NotFinite, TiledUpscaler

GAP = 4  # white pixels between the pictures of a comparison


class UpscalingQuality(AtMoments):
    """A callback that enlarges whole validation images with the sampling generator, at intervals and at the end of the
    budget. It writes the means of PSNR and SSIM (metrics/image_quality.py) over the images, beside those of bicubic
    enlargement. PSNR on Y decides which state of the run is checkpoints/best.ckpt. It has no influence on training, and
    without validation images it does nothing.

    data: the pairs of images
    every_images: images between two measurements; `auto`: 20 of them over the budget; None: never
    moments: numbers of images seen at which to measure as well; 0 is before the first step
    most_images: validation images at most
    pictures: how many of them to draw: bicubic, generator, original, side by side
    picture_size: pixels of each side at most, from the middle of an image
    more: further measures, of niqe and lpips
    """

    def __init__(self, data: PairFolder, every_images: Pace, moments: Sequence[WholeNumber], most_images: Count,
                 pictures: WholeNumber, picture_size: Count,
                 more: Annotated[Sequence[str], list_of(one_of("niqe", "lpips"), empty=True)] = ()):
        super().__init__(every_images, moments)
        self.num_pictures, self.picture_size = pictures, picture_size
        self.measures = Enlargement(more)
        self.data, self.pairs = data, whole_pairs(data, most_images, self.measures)
        self.best: float | None = None
        self.best_of: str | None = None
        self.seconds, self.tile = 0.0, TILE

    def begin(self, trainer: pl.Trainer, module: SuperResolutionModule) -> None:
        if self.pairs:
            self.bicubic, self.bicubic_shown = self.averages(map(enlarge_bicubic, self.pairs))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_of": self.best_of, "seconds": self.seconds} | super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.best, self.seconds = state_dict["best"], state_dict["seconds"]
        self.best_of = state_dict.get("best_of")  # earlier versions did not keep it

    def act(self, trainer: pl.Trainer, module: SuperResolutionModule) -> None:
        """Measures all images, draws some and writes the values."""
        if not self.pairs:
            return
        started = time.perf_counter()
        with torch.inference_mode(), evaluating(module.sampling_generator) as generator:
            values, shown = self.measure_generator(generator)
        self.draw(trainer, shown)
        keep_greatest(self, trainer, module, "psnr_y", values["psnr_y"], digest_of(self.pairs))
        self.seconds += time.perf_counter() - started
        self.write(trainer, module, values)

    def measure_generator(self, generator: nn.Module) -> tuple[dict[str, float], list[Tensor]]:
        """Returns the means for the generator, nan if its images are not finite, and the images to draw. It works in
        tiles, so that a photograph of any size takes bounded memory."""
        upscaler = TiledUpscaler(generator, self.tile)
        try:
            return self.averages(upscaler(pair.low) for pair in self.pairs)
        except NotFinite:  # whether this ends the run is for other callbacks to decide
            return dict.fromkeys(self.bicubic, math.nan), []
        finally:
            self.tile = upscaler.tile  # smaller than before if memory was short

    def averages(self, enlarged: Iterable[Tensor]) -> tuple[dict[str, float], list[Tensor]]:
        """Returns the means over the enlarged images, which are taken one at a time, and the middles of those to
        draw."""
        shown: list[Tensor] = []

        def with_pictures() -> Iterator[Tensor]:
            for image in enlarged:
                if len(shown) < self.num_pictures:
                    shown.append(centre(image, self.picture_size).clone())
                yield image

        return self.measures.means(with_pictures(), (pair.high for pair in self.pairs), self.data.scale), shown

    def draw(self, trainer: pl.Trainer, shown: list[Tensor]) -> None:
        """Writes a picture of each shown image and shows it in the loggers."""
        for pair, bicubic, generated in zip(self.pairs, self.bicubic_shown, shown, strict=False):
            row = side_by_side([bicubic, generated, centre(pair.high, self.picture_size)])
            name = f"{pair.name}_{self.acted_at:010d}.png"
            pictures.write_png(Path(trainer.default_root_dir) / "samples" / name, row)
            show(trainer.loggers, f"samples/bicubic_ours_truth/{pair.name}", row, self.acted_at)

    def write(self, trainer: pl.Trainer, module: SuperResolutionModule, values: dict[str, float]) -> None:
        """Writes the values into metrics.json with their protocol, as curves, and as a line on stderr."""
        protocol = {"images": [pair.name for pair in self.pairs], "scale": self.data.scale, "border": self.data.scale,
                    "ema": module.has_average, "quantisation": "uint8",
                    "low": "files" if self.data.validation_low_root else "bicubic (MATLAB)",
                    "reference_digest": digest_of(self.pairs),
                    "low_in_training": self.data.low_in_training, "range_y": "16 to 235 (BT.601)"}
        records = [{"name": name, "value": finite_or_none(value), "bicubic": finite_or_none(self.bicubic[name]),
                    "images_seen": self.acted_at, "protocol": protocol} for name, value in values.items()]
        write_scores(Path(trainer.default_root_dir), {"image_quality": records,
                                                      "cost": {"evaluation_seconds": self.seconds}})
        curves = {f"quality/{name}": value for name, value in values.items()}
        add_points(trainer, self.acted_at, curves)
        texts = [f"{name} {value:.4g} (bicubic {self.bicubic[name]:.4g})" for name, value in values.items()]
        tqdm.write(f"{self.acted_at:,} images: {', '.join(texts)}", file=sys.stderr)


def digest_of(pairs: Sequence[WholePair]) -> str:
    """Returns the SHA-256 of the pixels, as images of the same name may be others on another machine."""
    content = hashlib.sha256()
    for image in (image for pair in pairs for image in (pair.high, pair.low)):
        content.update(repr(tuple(image.shape)).encode())
        content.update(image.contiguous().numpy().data)
    return content.hexdigest()


def whole_pairs(data: PairFolder, most_images: int, measures: Enlargement) -> list[WholePair]:
    """Returns the first `most_images` pairs that can be used, each with a name of its own, and warns of those that
    cannot, or says that there are none."""
    files = data.validation_files()
    pairs, reasons = [], []
    for file, name in zip(files, names_of(files), strict=True):
        if len(pairs) == most_images:
            break
        try:
            pair = data.whole_pair(file)._replace(name=name)
            measures(pair.high, pair.high, data.scale)  # raises if the image is too small
            pairs.append(pair)
        except (Unreadable, ValueError, RequestError) as error:
            reasons.append(f"{file.name}: {error}")
    if reasons:
        print(f"warning: {len(reasons)} validation images cannot be used: {'; '.join(reasons)}", file=sys.stderr)
    if any(pair.mismatch is not None for pair in pairs):
        print(f"warning: {mismatch_warning({pair.name: pair.mismatch for pair in pairs})}", file=sys.stderr)
    if not pairs:
        print("note: PSNR and SSIM are not measured, as there are no validation images: type "
              "data.validation_root=FOLDER, or data.train_fraction=0.9 to keep a tenth of data.root", file=sys.stderr)
    if len(pairs) + len(reasons) < len(files):
        print(f"PSNR and SSIM are measured of {len(pairs)} of {len(files)} validation images: type "
              f"callbacks.upscaling_quality.most_images={len(files)} to measure all", file=sys.stderr)
    return pairs


def names_of(files: Sequence[ImageFile]) -> list[str]:
    """Returns names for pictures and curves: without folder and ending, except where two would be the same."""
    paths = [re.sub("[\ud800-\udfff]", "_", file.name) for file in files]  # loggers accept valid Unicode only
    names = distinct([PurePosixPath(name).stem for name in paths], [name.replace("/", "_") for name in paths])
    return [shorten(name, added=len("_0000000000.png")) for name in names]


@torch.inference_mode()
def enlarge_bicubic(pair: WholePair) -> Tensor:
    """Returns the low-resolution image enlarged by MATLAB's bicubic interpolation, uint8 [C, H, W]. Computes one
    channel at a time to save memory."""
    height, width = pair.high.shape[1:]
    channels = pair.low.split(1)
    return torch.cat([to_bytes(resize(channel[None].double() / 255, height, width))[0] for channel in channels])


def to_bytes(images: Tensor) -> Tensor:
    """Returns images in [0, 1] as uint8, rounded and clipped."""
    return (images * 255).round_().clamp_(0, 255).to(torch.uint8)


def centre(image: Tensor, size: int) -> Tensor:
    """Returns at most size x size pixels from the middle of an image [C, H, W]."""
    height, width = image.shape[1:]
    top, left = max(height - size, 0) // 2, max(width - size, 0) // 2
    return image[:, top:top + size, left:left + size]


def side_by_side(images: Sequence[Tensor]) -> Tensor:
    """Returns images [C, H, W] of the same height as one, with GAP white pixels between them."""
    gap = images[0].new_full((images[0].shape[0], images[0].shape[1], GAP), 255)
    return torch.cat([part for image in images for part in (image, gap)][:-1], dim=2)
