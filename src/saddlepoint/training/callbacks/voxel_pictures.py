"""Draws the shapes of voxels that a generator makes, again and again of the same latents."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch

from saddlepoint.config.rules import Count, Seed, WholeNumber
from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import VoxelBatch
from saddlepoint.game.latents import class_labels
from saddlepoint.game.modes import evaluating
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.sampling import pictures
from saddlepoint.sampling.voxel_pictures import pictures_of
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.loggers.adapters import show


class VoxelPictures(AtMoments):
    """A callback that draws samples/voxels_<images seen>.png, called samples/voxels in loggers: generated shapes as
    seen from a corner, and below them a row of real ones. Training does not change.

    data: the shapes that are trained on
    every_images: shapes between two pictures; `auto`: 12 of them over the budget; None: only at the end
    moments: numbers of shapes seen at which to draw as well; 0 is before the first step
    count: generated shapes in a picture
    real: real shapes in a picture, always the same ones; 0: none
    seed: of the fakes' latents
    """

    looks = 12
    needs_latents = True  # of the model: build.py refuses others in a sentence
    setting = "callbacks.voxel_pictures"

    def __init__(self, data: ImageDataModule, every_images: Pace, moments: Sequence[WholeNumber], count: Count = 16,
                 real: WholeNumber = 8, seed: Seed = 0):
        super().__init__(every_images, moments)
        if data.yields is not VoxelBatch:
            raise RequestError(f"callbacks.voxel_pictures draws shapes of voxels, and the data are {data.things}: "
                               "leave voxel_pictures out of callbacks=")
        self.data, self.count, self.real, self.seed = data, count, real, seed

    def begin(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        self.latents = module.latents.of_images(self.seed, 0, self.count).to(module.device)
        classes = module.class_distribution if module.draws_labels else None
        self.labels = class_labels(classes, self.seed, 0, self.count).to(module.device)
        self.real_pictures = pictures_of(self.data.shapes(self.real)) if self.real else None

    def act(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        with torch.no_grad(), evaluating(module.sampling_generator) as generator:
            made = pictures_of(generator(self.latents, self.labels).float().cpu())
        rows = made if self.real_pictures is None else torch.cat([filled(made, len(self.real_pictures)),
                                                                  self.real_pictures])
        columns = None if self.real_pictures is None else len(self.real_pictures)
        picture = pictures.grid(rows, columns)
        path = Path(trainer.default_root_dir) / "samples" / f"voxels_{self.acted_at:010d}.png"
        pictures.write_png(path, picture)
        show(trainer.loggers, "samples/voxels", picture, self.acted_at)


def filled(images: torch.Tensor, columns: int) -> torch.Tensor:
    """Returns images uint8 [N, 1, P, P] with black ones behind them, so that they make whole rows of so many."""
    black = images.new_zeros(-len(images) % columns, *images.shape[1:])
    return torch.cat([images, black])
