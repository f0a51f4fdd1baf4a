"""How labels enter a network: beside the latents, as one more map, or in the normalisation.

N images of K classes, labels [N] from 0 to K - 1, maps [N, C, H, W].
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.checks import require_whole_numbers
from saddlepoint.config.rules import Count, WholeNumber
from saddlepoint.networks.layers import FirstMaps, ReadsLabels, map_normalization, require_classes


class ConditionalNormalization(ReadsLabels):
    """scale[y] * normalised maps + shift[y]: one scale and one shift per class and map, 1 and 0 at the start.

    Dumoulin et al. 2017, https://arxiv.org/abs/1610.07629, section 2.2, there for `instance`; with `batch` the
    conditional BatchNorm of de Vries et al. 2017, https://arxiv.org/abs/1707.00683. The running statistics of `batch`
    are torch's own and shared by all classes. Scales and shifts are no nn.Embedding: spectral_norm would divide those
    by their largest singular value, and that of the shifts is 0.
    """

    def __init__(self, normalization: str, num_maps: int, num_classes: int):
        super().__init__()
        (self.normalized,) = map_normalization(normalization, num_maps, affine=False)
        self.scale = nn.Parameter(torch.ones(num_classes, num_maps))
        self.shift = nn.Parameter(torch.zeros(num_classes, num_maps))

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        scale, shift = (F.embedding(labels, table)[:, :, None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, self.normalized(maps), scale)


def normalization_of(kind: str, num_maps: int, num_classes: int) -> list[nn.Module]:
    """What normalises maps, by class unless `num_classes` is 0."""
    if num_classes and kind != "none":
        return [ConditionalNormalization(kind, num_maps, num_classes)]
    return map_normalization(kind, num_maps)


def embedding_width(player: str, num_classes: int, embedding_size: int | None) -> int:
    """Numbers a class is described by: as many as there are classes unless said otherwise."""
    require_classes(num_classes)
    if embedding_size is None:
        return num_classes
    require_whole_numbers({f"model.{player}.embedding_size": embedding_size})
    return embedding_size


class EmbeddedLatents(nn.Module):
    """Turns the generator it is mixed into conditional: latents come with an embedding of the label beside them.

    Mirza and Osindero 2014, section 3.2, https://arxiv.org/abs/1411.1784.
    """

    def __init__(self, latent_dim: Count, num_classes: WholeNumber, embedding_size: Count | None = None, **more):
        width = embedding_width("generator", num_classes, embedding_size)
        require_whole_numbers({"model.latents.size": latent_dim})
        super().__init__(latent_dim=latent_dim + width, **more)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = nn.Embedding(num_classes, width)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, S, S] in [-1, 1]"""
        return super().forward(torch.cat([latents, self.embedding(labels)], 1), labels)


class BesideLabelMap(ReadsLabels):
    """maps [N, C, side, side], labels [N] -> [N, C + 1, side, side]: an embedding of the label, drawn as one map by a
    linear layer, is put last"""

    def __init__(self, num_classes: int, embedding_size: int, side: int):
        super().__init__()
        self.label_map = nn.Sequential(nn.Embedding(num_classes, embedding_size),
                                       FirstMaps(embedding_size, num_maps=1, bias=True, side=side))

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([maps, self.label_map(labels)], 1)
