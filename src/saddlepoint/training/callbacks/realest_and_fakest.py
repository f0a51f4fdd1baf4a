"""Draws the images that the discriminator is surest about, and those that deceive it.

N images of C channels and H x W pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint.config.rules import Count, Seed, WholeNumber
from saddlepoint.data.pixels import to_unit_range
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import PointBatch
from saddlepoint.game.modes import evaluating
from saddlepoint.game.networks import ComparesImages
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, GeneratedImages
from saddlepoint.sampling import pictures
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.loggers.adapters import show


class RealestAndFakest(AtMoments):
    """A callback that draws samples/realest_and_fakest_<images seen>.png, of four rows: fakes with the highest logits,
    fakes with the lowest, real images with the highest, real images with the lowest. The discriminator is in
    evaluation mode, and sees what is drawn: no trick changes it.

    context: data and game
    every_images: images between two pictures; `auto`: 12 of them over the budget; None: only at the end
    moments: numbers of images seen at which to draw as well; 0 is before the first step
    num_images: fakes, and real images, that are ranked, at most
    shown: images in a row
    seed: of the fakes' latents
    """

    looks = 12
    needs_latents = True  # of the model: build.py refuses others in a sentence
    needs_images = True
    setting = "callbacks.realest_and_fakest"

    def __init__(self, context: EvaluationContext, every_images: Pace, moments: Sequence[WholeNumber],
                 num_images: Count, shown: Count, seed: Seed):
        super().__init__(every_images, moments)
        self.num_images, self.shown, self.seed = num_images, shown, seed
        refuse_unless_of_images(context)
        self.real = context.data.evaluation_images("train").limited(num_images)

    def act(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        classes = module.class_distribution if module.draws_labels else None
        with evaluating(module.sampling_generator) as generator, evaluating(module.networks["discriminator"]):
            fakes = GeneratedImages(generator, module.sampling_latents, classes, self.seed, self.num_images)
            rows = [row for images in (fakes, EvaluationBlocks(self.real)) for row in self.extremes(module, images)]
        picture = pictures.grid(pictures.visible(torch.cat(rows)), columns=len(rows[0]))
        name = f"realest_and_fakest_{self.acted_at:010d}.png"
        pictures.write_png(Path(trainer.default_root_dir) / "samples" / name, picture)
        show(trainer.loggers, "samples/realest_and_fakest", picture, self.acted_at)

    def extremes(self, module: SynthesisModule, images: GeneratedImages | EvaluationBlocks) -> tuple[Tensor, Tensor]:
        """Returns the images with the highest logits, the highest first, and those with the lowest, the lowest first,
        uint8 [shown, C, H, W]; as many of both as there are images."""
        blocks = [images.block(first) for first in range(0, images.count, BLOCK)]
        shown = torch.cat([block.images.cpu() for block in blocks])
        logits = torch.cat([self.logits(module, block.images, block.labels) for block in blocks]).cpu()
        order = logits.argsort(stable=True)
        return shown[order.flip(0)[:self.shown]], shown[order[:self.shown]]

    @torch.no_grad()
    def logits(self, module: SynthesisModule, images: Tensor, labels: Tensor) -> Tensor:
        """Returns D's logits [N] of images, uint8 [N, C, H, W]; of patches their mean."""
        images, labels = to_unit_range(images).to(module.device), labels.to(module.device)
        logits = module.networks["discriminator"](images, labels).float()
        return logits.reshape(len(images), -1).mean(1)


def refuse_unless_of_images(context: EvaluationContext) -> None:
    """Raises a RequestError if the discriminator judges something else than single images."""
    module, data = context.module, context.data
    if data.yields is PointBatch:
        raise RequestError("callbacks.realest_and_fakest draws images, and the data are points: leave "
                           "realest_and_fakest out of callbacks=")
    if (images := module.tricks.images_of_a_pack) > 1:
        raise RequestError("callbacks.realest_and_fakest ranks single images by the discriminator, and this one judges "
                           f"{images} at once (trick=packing): leave realest_and_fakest out of callbacks=")
    if any(isinstance(layer, ComparesImages) for layer in module.networks["discriminator"].modules()):
        raise RequestError("callbacks.realest_and_fakest ranks single images by the discriminator, and this one scores "
                           "each beside others (minibatch_discrimination or minibatch_stddev): leave "
                           "realest_and_fakest out of callbacks=")
    shape = (data.channels, *data.sides)
    inputs = type(module).example_inputs(SimpleNamespace(latents=module.latents, image_shape=shape, shown_shape=shape,
                                                         networks=module.networks))["discriminator"]
    if [tuple(each.shape[1:]) for each in inputs] != [shape, ()]:
        raise RequestError("callbacks.realest_and_fakest ranks images by the discriminator, and that of this model "
                           "judges something else: leave realest_and_fakest out of callbacks=")
