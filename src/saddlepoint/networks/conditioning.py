"""Layers that read labels: an embedding beside the latents, one more map, or a normalisation by class.

N images of K classes, labels [N] from 0 to K - 1, maps [N, C, H, W].
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.image_sizes import Sides
from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.networks.layers import FirstMaps, ReadsLabels, map_normalization, require_classes


class ConditionalNormalization(ReadsLabels):
    """scale[y] * normalised maps + shift[y]: one scale and one shift per class and map, 1 and 0 at the start.

    Dumoulin et al. 2017, https://arxiv.org/abs/1610.07629, section 2.2, there for `instance`; with `batch` the
    conditional BatchNorm of de Vries et al. 2017, https://arxiv.org/abs/1707.00683. The running statistics of `batch`
    are torch's, and one for all classes. Scales and shifts are not nn.Embedding, because spectral_norm would divide
    them by their largest singular value, which is 0 for the shifts.
    """

    def __init__(self, normalization: str, num_maps: int, num_classes: int):
        super().__init__()
        (self.normalized,) = map_normalization(normalization, num_maps, affine=False)
        self.scale = nn.Parameter(torch.ones(num_classes, num_maps))
        self.shift = nn.Parameter(torch.zeros(num_classes, num_maps))

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """maps [N, C, H, W], labels [N] -> [N, C, H, W]"""
        scale, shift = (F.embedding(labels, table)[:, :, None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, self.normalized(maps), scale)


def normalization_of(kind: str, num_maps: int, num_classes: int) -> list[nn.Module]:
    """Returns the layers that normalise maps: with scales and shifts by class, unless `num_classes` is 0."""
    if num_classes and kind != "none":
        return [ConditionalNormalization(kind, num_maps, num_classes)]
    return map_normalization(kind, num_maps)


def embedding_width(player: str, num_classes: int, embedding_size: int | None) -> int:
    """Returns how many numbers the embedding of a class has: `embedding_size`, or K where that is None."""
    require_classes(num_classes)
    if embedding_size is None:
        return num_classes
    require_whole_numbers({f"model.{player}.embedding_size": embedding_size})
    return embedding_size


class EmbeddedLatents(nn.Module):
    """A mixin that makes a generator conditional: it appends an embedding of the label to the latents.

    Mirza and Osindero 2014, section 3.2, https://arxiv.org/abs/1411.1784.
    """

    def __init__(self, latent_dim: Count, num_classes: WholeNumber, embedding_size: Count | None = None, **more):
        width = embedding_width("generator", num_classes, embedding_size)
        require_whole_numbers({"model.latents.size": latent_dim})
        super().__init__(latent_dim=latent_dim + width, **more)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = nn.Embedding(num_classes, width)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W] in [-1, 1]"""
        return super().forward(torch.cat([latents, self.embedding(labels)], 1), labels)


class BesideLabelMap(ReadsLabels):
    """A layer that appends one map to others: an embedding of the label, mapped to a value for each pixel linearly."""

    def __init__(self, num_classes: int, embedding_size: int, sides: Sides):
        super().__init__()
        self.label_map = nn.Sequential(nn.Embedding(num_classes, embedding_size),
                                       FirstMaps(embedding_size, num_maps=1, bias=True, sides=sides))

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """maps [N, C, H, W] of the sides, labels [N] -> [N, C + 1, H, W]"""
        return torch.cat([maps, self.label_map(labels)], 1)
