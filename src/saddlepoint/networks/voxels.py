"""The networks of 3D-GAN: Wu et al. 2016, section 3.1 and appendix, https://arxiv.org/abs/1610.07584

N shapes as cubes of S x S x S voxels, from 0 (empty) to 1 (full). A layer that doubles the edge of the maps halves
their number, and the other way round; `width` is the number of maps whose edge is S/2.
"""

from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.rules import BelowOne, Count
from saddlepoint.networks.initialisation import normal
from saddlepoint.networks.layers import Normalization, activation, map_normalization, outputs_of_each

SMALLEST, KERNEL = 4, 4  # voxels along an edge: of the smallest maps, and of all kernels
EDGES = (8, 16, 32, 64, 128)


def maps_of(player: str, edge: int, width: int) -> list[int]:
    """Returns the number of maps at each edge, from S/2 down to 4. Refuses edges that do not halve to 4."""
    if edge not in EDGES:
        nearest = min(EDGES, key=lambda each: abs(each - edge))
        raise ValueError(f"data.edge={edge} must be a power of two from {EDGES[0]} to {EDGES[-1]} for this model: type "
                         f"data.edge={nearest}")
    require_whole_numbers({f"model.{player}.width": width})
    return [width * 2**level for level in range((edge // SMALLEST).bit_length() - 1)]


class VoxelGenerator(nn.Module):
    """Maps of 4 x 4 x 4 from the latents, transposed convolutions of stride 2 with ReLU up to the shape, sigmoid.

    With 200 latents, 64 voxels and width 64 it has 17,569,664 weights: no layer has a bias, and all but the last are
    followed by BatchNorm.

    latent_dim: numbers in the latents of a shape, 1 or more
    edge: S, voxels along an edge, a power of two from 8 to 128
    width: maps of edge S/2, 1 or more
    normalization: none, batch, layer or instance; with none, layers have a bias
    """

    def __init__(self, latent_dim: Count, edge: Count, width: Count = 64, normalization: Normalization = "batch"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim})
        self.latent_dim, bias = latent_dim, normalization == "none"
        maps = maps_of("generator", edge, width)[::-1]
        self.first = nn.Linear(latent_dim, maps[0] * SMALLEST**3, bias=bias)  # a transposed convolution of one voxel
        self.layers = nn.Sequential()
        for inputs, outputs in zip(maps, [*maps[1:], 1], strict=True):
            self.layers.append(nn.Sequential(
                *volume_normalization(normalization, inputs), activation(0.0),
                nn.ConvTranspose3d(inputs, outputs, KERNEL, stride=2, padding=1, bias=bias)))
        normal(self, std=0.02)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> shapes [N, 1, S, S, S] in [0, 1]"""
        maps = self.first(latents).unflatten(1, (-1, SMALLEST, SMALLEST, SMALLEST))
        return self.layers(maps).sigmoid()


class VoxelDiscriminator(nn.Module):
    """Convolutions of stride 2 with LeakyReLU down to maps of 4 x 4 x 4, and a logit.

    It mirrors the generator: with 64 voxels and width 64 it has 11,048,704 weights. The first convolution and the logit
    are not normalised.

    edge: S, voxels along an edge, a power of two from 8 to 128
    width: maps of edge S/2, 1 or more
    normalization: none, batch, layer or instance; with none, layers have a bias
    negative_slope: of LeakyReLU, at least 0 and below 1
    """

    def __init__(self, edge: Count, width: Count = 64, normalization: Normalization = "batch",
                 negative_slope: BelowOne = 0.2):
        super().__init__()
        require(0 <= negative_slope < 1, "model.discriminator.negative_slope", negative_slope, FRACTION)
        maps, bias = maps_of("discriminator", edge, width), normalization == "none"
        self.edge, self.blocks = edge, nn.Sequential()
        for level, (inputs, outputs) in enumerate(zip([1, *maps], maps, strict=False)):
            self.blocks.append(nn.Sequential(
                nn.Conv3d(inputs, outputs, KERNEL, stride=2, padding=1, bias=bias),
                *(volume_normalization(normalization, outputs) if level else ()), activation(negative_slope)))
        self.logit = nn.Linear(maps[-1] * SMALLEST**3, 1, bias=bias)  # a convolution of all that is left
        normal(self, std=0.02)

    def forward(self, shapes: Tensor, labels: Tensor) -> Tensor:
        """shapes [N, 1, S, S, S], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.blocks(shapes).flatten(1)).squeeze(1)

    def features(self, shapes: Tensor, labels: Tensor) -> list[Tensor]:
        """shapes [N, 1, S, S, S] -> activations [N, width, S/2, S/2, S/2], ..., the last maps"""
        return outputs_of_each(self.blocks, shapes)


def volume_normalization(kind: str, num_maps: int) -> list[nn.Module]:
    """Returns the layers that normalise maps [N, C, D, H, W], as layers.map_normalization does those of images."""
    if kind == "batch":
        return [nn.BatchNorm3d(num_maps)]
    if kind == "instance":
        return [nn.InstanceNorm3d(num_maps, affine=True)]
    return map_normalization(kind, num_maps)  # GroupNorm takes maps of any shape
