"""DCGAN with labels: an embedding beside the latents, a classifier beside the logit.

The way of Odena, Olah and Shlens 2017, https://arxiv.org/abs/1610.09585, whose own networks are DCGANs, with one-hot
labels beside the latents. N images of C channels and S x S pixels, K classes.
"""

from torch import Tensor, nn

from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.networks.conditioning import EmbeddedLatents
from saddlepoint.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import require_classes


class ConditionalDCGANGenerator(EmbeddedLatents, DCGANGenerator):
    """[latents, embedding of the label] -> DCGAN"""


class ClassifyingDCGANDiscriminator(DCGANDiscriminator):
    """Beside the logit, which ignores labels, one logit for each class; both linear in the last maps."""

    def __init__(self, channels: Count, image_size: Count, num_classes: WholeNumber, **more):
        require_classes(num_classes)
        super().__init__(channels, image_size, **more)
        self.num_classes = num_classes
        self.classes = nn.Linear(self.logit.in_features, num_classes)
        normal(self.classes, std=0.02)

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S], labels [N] (ignored) -> [N, K]"""
        return self.classes(self.last_maps(images))
