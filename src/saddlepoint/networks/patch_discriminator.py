"""The discriminators of pix2pix and CycleGAN, which score patches instead of whole images.

N images of C channels (the target) with images of K channels (the source), H x W pixels in [-1, 1]. h x w patches.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.rules import Count
from saddlepoint.networks import initialisation
from saddlepoint.networks.layers import activation, outputs_of_each
from saddlepoint.networks.translation_layers import (
    Normalization,
    has_bias,
    normalization_layers,
    require_normalization,
)

NEGATIVE_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """PatchGAN: convolutions only, so that each logit depends on one patch of the image, and the texture of every patch
    is judged (Isola et al. 2017, section 3.3 and appendix 6.1, https://arxiv.org/abs/1611.07004).

    `halvings` 4x4 convolutions of stride 2, then two of stride 1, with width, 2 width, ... at most 8 width maps. The
    first and the last are not normalised. This is CycleGAN's discriminator with InstanceNorm (Zhu et al. 2017,
    https://arxiv.org/abs/1703.10593), as in its authors' PyTorch code. Weights start from N(0, 0.02).

    channels: C
    width: maps of the first layer
    halvings: 1, 2, 3, 4, 5 for patches of 16, 34, 70, 142 and 286 pixels
    normalization: instance: statistics of each image alone, without learned scales
    """

    def __init__(self, channels: Count = 3, width: Count = 64, halvings: Count = 3,
                 normalization: Normalization = "batch"):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.width": width,
                               "model.discriminator.halvings": halvings})
        require_normalization(normalization, "discriminator")
        maps = [channels, *(width * min(2**level, 8) for level in range(halvings + 1))]
        self.halvings, self.blocks = halvings, nn.Sequential()
        for place, (inputs, outputs) in enumerate(pairwise(maps)):
            kind = normalization if place else "none"
            self.blocks.append(nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, stride=2 if place < halvings else 1, padding=1, bias=has_bias(kind)),
                *normalization_layers(kind, outputs), activation(NEGATIVE_SLOPE)))
        self.logits = nn.Conv2d(maps[-1], 1, 4, padding=1)
        initialisation.normal(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N, 1, h, w]"""
        self._require_a_patch(min(images.shape[2:]))
        return self.logits(self.blocks(images))

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> activations [N, width, H/2, W/2], ... of each convolution but the last"""
        return outputs_of_each(self.blocks, images)

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]

    def _require_a_patch(self, side: int) -> None:
        """Refuses images of which no logit is left: each of the last two convolutions takes a row and a column."""
        if side < 3 * 2**self.halvings:
            fitting = max(int(math.log2(side / 3)), 1) if side >= 6 else 1
            raise ValueError(f"after {self.halvings} halvings too few of {side} pixels are left for the last two "
                             f"layers: type model.discriminator.halvings={fitting}, or data.image_size="
                             f"{3 * 2**self.halvings} or more")


class ConditionalPatchDiscriminator(PatchDiscriminator):
    """PatchGAN that is shown an image together with its source: pix2pix's discriminator (Isola et al. 2017, section
    3.1, https://arxiv.org/abs/1611.07004). The settings are those of PatchDiscriminator, and source_channels: K.
    """

    def __init__(self, channels: Count = 3, source_channels: Count = 3, width: Count = 64, halvings: Count = 3,
                 normalization: Normalization = "batch"):
        require_whole_numbers({"data.channels": channels, "data.source_channels": source_channels})
        super().__init__(channels + source_channels, width, halvings, normalization)

    def forward(self, images: Tensor, source: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], source [N, K, H, W], labels [N] (ignored) -> logits [N, 1, h, w]"""
        return super().forward(torch.cat([images, source], dim=1), labels)

    def features(self, images: Tensor, source: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], source [N, K, H, W] -> activations as of PatchDiscriminator"""
        return super().features(torch.cat([images, source], dim=1), labels)
