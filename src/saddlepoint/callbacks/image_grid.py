"""Pictures of the same latents through training."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from saddlepoint import pictures
from saddlepoint.callbacks.moments import Moments
from saddlepoint.modules.modes import evaluating
from saddlepoint.modules.synthesis import SynthesisModule


class ImageGrid(pl.Callback):
    """samples/images_<images seen>.png and samples/fixed in TensorBoard, drawn by the sampling generator.

    Latents are those that `sample.py seed=...` uses, drawn from a generator of their own: training does not notice.
    """

    def __init__(self, every_images: int | None, moments: Sequence[int], count: int, seed: int):
        self.at_start = 0 in moments
        self.moments = Moments(every_images, moments)
        self.count, self.seed = count, seed
        self.drawn_at = -1

    def on_train_start(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        self.latents = module.latents.of_images(self.seed, 0, self.count).to(module.device)
        if self.at_start and module.images_seen == 0:
            self.draw(trainer, module)

    def on_train_batch_end(self, trainer, module: SynthesisModule, outputs, batch, batch_index) -> None:
        if self.moments.due(module.images_before, module.images_seen):
            self.draw(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        if module.images_seen != self.drawn_at:
            self.draw(trainer, module)

    def draw(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        self.drawn_at = module.images_seen
        if not trainer.is_global_zero:
            return
        labels = torch.zeros(self.count, dtype=torch.long, device=module.device)
        with torch.no_grad(), evaluating(module.sampling_generator) as generator:
            grid = pictures.grid(pictures.to_bytes(generator(self.latents, labels).cpu()))
        pictures.write_png(Path(trainer.default_root_dir) / "samples" / f"images_{module.images_seen:010d}.png", grid)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                show(logger.experiment, "samples/fixed", grid, module.images_seen)


def show(writer: SummaryWriter, tag: str, image: Tensor, images_seen: int) -> None:
    """As `writer.add_image`, which would make RGB of grey and resample it: ten times the time, for the same picture."""
    channels, height, width = image.shape
    picture = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=pictures.png(image))
    summary = Summary(value=[Summary.Value(tag=tag, image=picture)])
    writer._get_file_writer().add_summary(summary, images_seen)
