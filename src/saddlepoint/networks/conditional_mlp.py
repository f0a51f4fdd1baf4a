"""Conditional GAN: Mirza and Osindero 2014, section 3.2, https://arxiv.org/abs/1411.1784

Fully connected, in the form its public PyTorch version made common: an embedding of the label stands beside the latents
and beside the pixels. N images of C channels and S x S pixels.
"""

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.networks.conditioning import EmbeddedLatents, embedding_width
from saddlepoint.networks.mlp import FullyConnectedDiscriminator, MLPGenerator


class ConditionalMLPGenerator(EmbeddedLatents, MLPGenerator):
    """[latents, embedding of the label] -> hidden layers -> tanh"""


class ConditionalMLPDiscriminator(FullyConnectedDiscriminator):
    """[pixels, embedding of the label] -> hidden layers -> one logit"""

    def __init__(self, channels: Count, image_size: Count, num_classes: WholeNumber,
                 embedding_size: Count | None = None, **more):
        width = embedding_width("discriminator", num_classes, embedding_size)
        super().__init__(channels, image_size, width, **more)
        self.num_classes = num_classes
        self.embedding = nn.Embedding(num_classes, width)

    def numbers(self, images: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([images.flatten(1), self.embedding(labels)], 1)
