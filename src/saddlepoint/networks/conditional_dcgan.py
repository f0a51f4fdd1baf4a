"""DCGAN with labels: G reads an embedding beside the latents, D also classifies.

After Odena, Olah and Shlens 2017, https://arxiv.org/abs/1610.09585, whose networks are DCGANs with one-hot labels
beside the latents. N images of C channels and H x W pixels, K classes.
"""

from torch import Tensor, nn

from saddlepoint.config.rules import Count, ImageSize, WholeNumber
from saddlepoint.networks.conditioning import EmbeddedLatents
from saddlepoint.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import require_classes


class ConditionalDCGANGenerator(EmbeddedLatents, DCGANGenerator):
    """DCGANGenerator, whose input is the latents and an embedding of the label, one after the other.

    num_classes: K, 1 or more
    embedding_size: numbers in the embedding of a class, 1 or more; K where it is None
    The other settings are those of DCGANGenerator.
    """


class ClassifyingDCGANDiscriminator(DCGANDiscriminator):
    """DCGANDiscriminator with one more linear layer on its last maps, which gives the logits of K classes.

    The logit of real or fake ignores labels. `more`: settings of DCGANDiscriminator.
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, **more):
        require_classes(num_classes)
        super().__init__(channels, image_size, **more)
        self.num_classes = num_classes
        self.classes = nn.Linear(self.logit.in_features, num_classes)
        normal(self.classes, std=0.02)

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> [N, K]"""
        return self.classes(self.last_maps(images))
