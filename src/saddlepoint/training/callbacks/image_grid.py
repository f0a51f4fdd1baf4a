"""Draws pictures of the same latents again and again during training."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Count, Seed, WholeNumber
from saddlepoint.data import pixels
from saddlepoint.game.latents import class_labels, classes_drawn
from saddlepoint.game.modes import evaluating
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.sampling import pictures
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.pace import Pace, arithmetic_of_drawing, set_pace
from saddlepoint.training.loggers.adapters import show

SHARE = 1 / 100  # of the arithmetic of training that pictures may take with every_images=auto
MOST_ROWS = 50  # classes in samples/by_class, the first ones: sample.py class=all draws them all


class ImageGrid(AtMoments):
    """A callback that draws images of the sampling generator: samples/images_<images seen>.png, called samples/fixed in
    loggers. For a conditional generator it also draws samples/by_class_<images seen>.png, called samples/by_class, with
    a row for each class that training draws.

    every_images: images between two pictures; `auto`: 12 of them over the budget, or fewer, so that drawing is a
        hundredth of the arithmetic of training at most (pace.py); None: never
    moments: numbers of images seen at which to draw as well; 0 is before the first step
    count: images in a picture
    seed: of latents and labels, which are those of `sample.py seed=...`; training's random numbers do not change
    per_class: images in the row of a class; 0: no picture by class
    """

    looks = 12
    needs_latents = True  # of the model: build.py refuses others in a sentence
    needs_images = True  # and points, which have pictures of their own

    def __init__(self, every_images: Pace, moments: Sequence[WholeNumber], count: Count, seed: Seed,
                 per_class: WholeNumber = 10):
        super().__init__(every_images, moments)
        self.count, self.seed, self.per_class = count, seed, per_class

    def begin(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        conditional = self.per_class and getattr(module.networks["generator"], "num_classes", 0)
        self.rows = classes_drawn(module.class_distribution)[:MOST_ROWS] if conditional else []
        self.draw_latents(module)
        classes = module.class_distribution if module.draws_labels else None
        self.labels = class_labels(classes, self.seed, 0, self.count).to(module.device)

    def draw_latents(self, module: SynthesisModule) -> None:
        """Draws the latents of the pictures, which stay the same unless their distribution is learned."""
        most = max(self.count, self.per_class if self.rows else 0)
        self.latents = module.sampling_latents.of_images(self.seed, 0, most).to(module.device)

    def pace(self, module: SynthesisModule) -> None:
        drawn = self.count + self.per_class * len(self.rows)
        set_pace(self.moments, self.setting, module, self.looks, SHARE, lambda: drawn * arithmetic_of_drawing(module))

    def act(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        if module.latents.mixture is not None:
            self.draw_latents(module)
        with torch.no_grad(), evaluating(module.sampling_generator) as generator:
            images = pixels.to_bytes(generator(self.latents[:self.count], self.labels).cpu())
            grid = pictures.grid(pictures.as_colours(images))
            self.publish(trainer, module.images_seen, "images", "samples/fixed", grid)
            if self.rows:
                self.publish(trainer, module.images_seen, "by_class", "samples/by_class", self.by_class(generator))

    def by_class(self, generator: nn.Module) -> Tensor:
        """Returns the picture as uint8 [C, height, width]. Images are made class by class, so that many classes need no
        more memory than one."""
        latents = self.latents[:self.per_class]
        labels = torch.tensor(self.rows, device=latents.device).repeat_interleave(self.per_class)
        rows = [pixels.to_bytes(generator(latents, row)) for row in labels.split(self.per_class)]
        return pictures.grid(pictures.as_colours(torch.cat(rows).cpu()), self.per_class)

    def publish(self, trainer: pl.Trainer, images_seen: int, name: str, tag: str, grid: Tensor) -> None:
        """Writes the picture as a file called `name` and shows it in the loggers as `tag`."""
        pictures.write_png(Path(trainer.default_root_dir) / "samples" / f"{name}_{images_seen:010d}.png", grid)
        show(trainer.loggers, tag, grid, images_seen)
