"""Measures how often a discriminator that is also a classifier names the wrong class."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.partly_labelled import PartlyLabelled
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import evaluating
from saddlepoint.game.networks import HasClassLogits
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.callbacks.representation import Measured, Representation


class Classification(Representation):
    """A callback that measures `classification_error`, the share of real images whose largest class logit of D is that
    of another class, from 0 to 1.

    The baseline is the error of naming the largest class each time. The discriminator is the one that is trained, in
    evaluation mode. The record of the value says which labels were known to it.

    The settings are those of Representation.
    """

    uses_average = False  # the discriminator has no average

    def __init__(self, data: ImageDataModule, every_images: Pace, moments: Sequence[WholeNumber],
                 num_images: Count):
        super().__init__(data, every_images, moments, num_images)
        if not data.num_classes:
            raise ValueError("callbacks.classification measures how often a class is wrong, and the data has none "
                             "(data.num_classes=0): leave the callback out, e.g. callbacks=default")

    def measure(self, module: SynthesisModule) -> dict[str, Measured]:
        network = module.networks["discriminator"]
        if not isinstance(network, HasClassLogits):
            raise RequestError(f"callbacks.classification measures a discriminator that tells classes apart, which "
                               f"{type(network).__name__} (model.discriminator) does not: type callbacks=default")
        with evaluating(network) as discriminator:
            guesses = [discriminator.class_logits(images, labels).argmax(1)
                       for images, labels in self.blocks(module.device)]
        wrong = (torch.cat(guesses).cpu() != self.labels).double().mean().item()
        return {"classification_error": Measured(wrong, 1 - self.labels.bincount().max().item() / len(self.labels))}

    def draw(self, module: SynthesisModule) -> dict[str, Tensor]:
        return {}

    def protocol(self, module: SynthesisModule) -> dict[str, Any]:
        known = self.data.labelling() if isinstance(self.data, PartlyLabelled) else {}
        return super().protocol(module) | known
