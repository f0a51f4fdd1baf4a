"""The networks of BigGAN (Brock et al. 2019, https://arxiv.org/abs/1809.11096, appendix B) for images of 32, 64 and 128
pixels. Its spectral norm is a trick here, `trick=[spectral_norm]` with `tricks.spectral_norm.generator=true`.

N images of C channels and H x W pixels, K classes. A block of G is that of SNGAN, and normalises with a scale and a
shift that are linear functions of a chunk of the latents and an embedding of the class, which all blocks share. D is
SNGAN's with a projection, whose blocks widen in their first convolution. Both have self-attention at half the image's
side.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import Count, ImageSize, WholeNumber
from saddlepoint.networks.attention import SelfAttention
from saddlepoint.networks.initialisation import orthogonal
from saddlepoint.networks.layers import (
    FirstMaps,
    OutputActivation,
    activation_of_output,
    outputs_of_each,
    require_classes,
)
from saddlepoint.networks.resnet import Residual, first_block

EPSILON = 1e-4  # added to variances: the paper's, larger than torch's as low precision wants it


class Plan(NamedTuple):
    """The widths of networks for one image size, as multiples of the setting `width`."""

    generator: tuple[int, ...]      # of the maps of 4x4 pixels, and behind each block
    discriminator: tuple[int, ...]  # behind each block
    halvings: int                   # of D's blocks, the first so many; the others keep the side


PLANS = {  # by the image's side
    32: Plan((4, 4, 4, 4), (2, 2, 2, 2), 2),
    64: Plan((16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 4),
    128: Plan((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5),
}


def _plan(image_size: ImageSize, model: str) -> Plan:
    nearest = min(PLANS, key=lambda size: abs(size - (image_size if isinstance(image_size, int) else 32)))
    require(isinstance(image_size, int) and image_size in PLANS, "data.image_size", sides_of(image_size),
            f"32, 64 or 128 for {model}: type data.image_size={nearest}")
    return PLANS[image_size]


class ChunkNormalization(nn.Module):
    """(1 + scale(v)) * normalised maps + shift(v): BatchNorm whose scale and shift are linear functions of a vector."""

    def __init__(self, maps: int, vector_size: int):
        super().__init__()
        self.normalized = nn.BatchNorm2d(maps, EPSILON, affine=False)
        self.scale, self.shift = (nn.Linear(vector_size, maps, bias=False) for _ in range(2))

    def forward(self, maps: Tensor, vectors: Tensor) -> Tensor:
        """maps [N, C, H, W], vectors [N, V] -> [N, C, H, W]"""
        scale, shift = (layer(vectors)[:, :, None, None] for layer in (self.scale, self.shift))
        return torch.addcmul(shift, self.normalized(maps), 1 + scale)


class UpBlock(nn.Module):
    """A block of G, [N, inputs, s, s] and vectors [N, V] -> [N, outputs, 2s, 2s], with attention behind it if asked."""

    def __init__(self, inputs: int, outputs: int, vector_size: int, attention: bool):
        super().__init__()
        self.normalize_first = ChunkNormalization(inputs, vector_size)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.normalize_second = ChunkNormalization(outputs, vector_size)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.attention = SelfAttention(outputs) if attention else nn.Identity()

    def forward(self, maps: Tensor, vectors: Tensor) -> Tensor:
        larger = F.interpolate(F.relu(self.normalize_first(maps, vectors)), scale_factor=2.0, mode="nearest")
        residual = self.second(F.relu(self.normalize_second(self.first(larger), vectors)))
        return self.attention(residual + F.interpolate(self.shortcut(maps), scale_factor=2.0, mode="nearest"))


class BigGANGenerator(nn.Module):
    """The first chunk of the latents makes maps of 4x4 pixels; each block has a chunk of its own, beside the class.

    latent_dim: numbers in the latents of an image, a multiple of the number of chunks, which is one more than that of
        the blocks: 4 at 32 pixels, 5 at 64, 6 at 128
    channels: of the images, 1 or more
    image_size: pixels, 32, 64 or 128
    num_classes: K, 1 or more
    width: maps behind the last block at 64 and 128 pixels, a quarter of all maps at 32; 1 or more (the paper's ch)
    embedding_size: numbers of a class, 1 or more
    attention: at half the image's side
    output_activation: tanh, for images in [-1, 1], or none, for any numbers
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, num_classes: WholeNumber,
                 width: Count = 96, embedding_size: Count = 128, attention: bool = True,
                 output_activation: OutputActivation = "tanh"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.generator.width": width, "model.generator.embedding_size": embedding_size})
        require_classes(num_classes)
        widths = [width * multiple for multiple in _plan(image_size, "model=biggan").generator]
        chunks = len(widths)
        require(latent_dim % chunks == 0, "model.latents.size", latent_dim,
                f"a multiple of {chunks}, as {chunks - 1} blocks and the first maps have a chunk each: type "
                f"model.latents.size={max(round(latent_dim / chunks), 1) * chunks}")
        self.latent_dim, self.num_classes, self.chunk = latent_dim, num_classes, latent_dim // chunks
        # No nn.Embedding, which spectral_norm would normalise: neither paper nor public code does.
        self.classes = nn.Parameter(torch.empty(num_classes, embedding_size))
        self.first = FirstMaps(self.chunk, widths[0], bias=True)
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, self.chunk + embedding_size, attention and number == len(widths) - 3)
            for number, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)))
        self.image = nn.Sequential(nn.BatchNorm2d(widths[-1], EPSILON), nn.ReLU(),
                                   nn.Conv2d(widths[-1], channels, 3, padding=1),
                                   *activation_of_output(output_activation))
        self.output_activation = output_activation
        orthogonal(self)
        nn.init.orthogonal_(self.classes)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W], in [-1, 1] with tanh"""
        first, *chunks = latents.split(self.chunk, dim=1)
        classes, maps = F.embedding(labels, self.classes), self.first(first)
        for block, chunk in zip(self.blocks, chunks, strict=True):
            maps = block(maps, torch.cat([chunk, classes], 1))
        return self.image(maps)

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]


def _down_block(inputs: int, outputs: int, halves: bool) -> Residual:
    """Returns a block of D, [N, inputs, s, s] -> [N, outputs, s/2, s/2] if it halves, else [N, outputs, s, s]."""
    pooling = [nn.AvgPool2d(2)] if halves else []
    shortcut = [*pooling, nn.Conv2d(inputs, outputs, 1)] if halves or inputs != outputs else []
    return Residual(nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(outputs, outputs, 3, padding=1), *pooling), nn.Sequential(*shortcut))


class BigGANDiscriminator(nn.Module):
    """logit(x, y) = <w, h(x)> + b + <v_y, h(x)>, h the sum over all places of the maps behind the last block.

    channels: of the images, 1 or more
    image_size: pixels, 32, 64 or 128
    num_classes: K, 1 or more
    width: maps behind the first block at 64 and 128 pixels, half of all maps at 32; 1 or more (the paper's ch)
    attention: at half the image's side
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, width: Count = 96,
                 attention: bool = True):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.width": width})
        require_classes(num_classes)
        plan = _plan(image_size, "model=biggan")
        widths = [width * multiple for multiple in plan.discriminator]
        first = [first_block(channels, widths[0]), *([SelfAttention(widths[0])] if attention else [])]
        self.num_classes = num_classes
        self.blocks = nn.Sequential(nn.Sequential(*first), *(
            _down_block(inputs, outputs, halves=number < plan.halvings)
            for number, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False), start=1)))
        self.logit = nn.Linear(widths[-1], 1)
        self.embedding = nn.Embedding(num_classes, widths[-1])
        orthogonal(self)
        nn.init.orthogonal_(self.embedding.weight)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N]"""
        pooled = torch.relu(self.blocks(images)).sum((2, 3))
        return self.logit(pooled).squeeze(1) + (self.embedding(labels) * pooled).sum(1)

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] -> the outputs of all blocks"""
        return outputs_of_each(self.blocks, images)
