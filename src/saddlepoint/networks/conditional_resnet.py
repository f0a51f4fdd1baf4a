"""The residual networks of resnet.py, conditional on labels. N images of C channels and H x W pixels, K classes.

Projection: Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637 (spectral norm: `trick=[spectral_norm]`, which
normalises the embedding as well). Auxiliary classifier: Odena et al. 2017, https://arxiv.org/abs/1610.09585, in the
form of WGAN-GP's code for labelled CIFAR-10 (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, section 5.3).
"""

from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.config.rules import Count, ImageSize, WholeNumber
from saddlepoint.networks.initialisation import xavier
from saddlepoint.networks.layers import GeneratorNormalization, require_classes
from saddlepoint.networks.resnet import ResNetDiscriminator, UpsamplingResNet


class ConditionalResNetGenerator(UpsamplingResNet):
    """ResNetGenerator whose blocks normalise with a scale and a shift for each class and map.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 256, or [H, W] that halve together until the shorter has 4 to 7
    num_classes: K, 1 or more
    normalization: batch, layer, instance or virtual_batch
    more: `width` and `initialisation` of ResNetGenerator
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, num_classes: WholeNumber,
                 normalization: GeneratorNormalization = "batch", **more):
        require_classes(num_classes)
        require(normalization != "none", "model.generator.normalization", "none",
                "batch, layer, instance or virtual_batch: it is where this generator reads its labels")
        super().__init__(num_classes, latent_dim, channels, image_size, normalization=normalization, **more)
        self.num_classes = num_classes


class ProjectionResNetDiscriminator(ResNetDiscriminator):
    """logit(x, y) = <w, h(x)> + b + <v_y, h(x)>, h the pooled features (Miyato and Koyama 2018, eq. 3 and figure 1d).

    The paper's code has no b. `more`: settings of ResNetDiscriminator.
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, **more):
        require_classes(num_classes)
        super().__init__(channels, image_size, **more)
        self.num_classes = num_classes
        self.embedding = nn.Embedding(num_classes, self.logit.in_features)
        nn.init.xavier_uniform_(self.embedding.weight)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N]"""
        pooled = self.pooled(images)
        return self.logit(pooled).squeeze(1) + (self.embedding(labels) * pooled).sum(1)


class ClassifyingResNetDiscriminator(ResNetDiscriminator):
    """ResNetDiscriminator with one more linear layer on its pooled features, which gives the logits of K classes.

    The logit of real or fake ignores labels. `more`: settings of ResNetDiscriminator.
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, **more):
        require_classes(num_classes)
        super().__init__(channels, image_size, **more)
        self.num_classes = num_classes
        self.classes = nn.Linear(self.logit.in_features, num_classes)
        xavier(self.classes)

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> [N, K]"""
        return self.classes(self.pooled(images))
