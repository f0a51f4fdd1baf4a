"""The fully connected networks of the conditional GAN: Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784

As in the common PyTorch version, an embedding of the label is appended to the latents and to the pixels. N images of C
channels and H x W pixels, K classes.
"""

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Count, ImageSize, WholeNumber
from saddlepoint.networks.conditioning import EmbeddedLatents, embedding_width
from saddlepoint.networks.mlp import FullyConnectedDiscriminator, MLPGenerator


class ConditionalMLPGenerator(EmbeddedLatents, MLPGenerator):
    """[latents, embedding of the label] -> hidden layers -> tanh

    num_classes: K, 1 or more
    embedding_size: numbers in the embedding of a class, 1 or more; K where it is None
    The other settings are those of MLPGenerator.
    """


class ConditionalMLPDiscriminator(FullyConnectedDiscriminator):
    """[pixels, embedding of the label] -> hidden layers -> one logit

    `embedding_size`: numbers in the embedding of a class, K where it is None. `more`: settings of FullyConnected.
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber,
                 embedding_size: Count | None = None, **more):
        width = embedding_width("discriminator", num_classes, embedding_size)
        super().__init__(channels, image_size, width, **more)
        self.num_classes = num_classes
        self.embedding = nn.Embedding(num_classes, width)

    def numbers(self, images: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([images.flatten(1), self.embedding(labels)], 1)
