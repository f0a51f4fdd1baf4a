"""What the networks of pix2pix and CycleGAN share: the normalisations that they offer, and which layers have a bias."""

from typing import Annotated

from torch import nn

from saddlepoint.checks import require
from saddlepoint.config.rules import one_of
from saddlepoint.networks.layers import map_normalization

NORMALIZATIONS = ("none", "batch", "instance")
Normalization = Annotated[str, one_of(*NORMALIZATIONS)]


def require_normalization(kind: str, network: str) -> None:
    """Refuses an unknown normalisation with a ValueError; `network` is generator or discriminator."""
    require(kind in NORMALIZATIONS, f"model.{network}.normalization", kind, "one of " + ", ".join(NORMALIZATIONS))


def normalization_layers(kind: str, num_maps: int) -> list[nn.Module]:
    """Returns the layers that normalise maps [N, num_maps, H, W]. Those of `batch` learn a scale and a shift, those of
    `instance` do not, and keep no running statistics."""
    return map_normalization(kind, num_maps, affine=kind == "batch")


def has_bias(kind: str) -> bool:
    """Returns whether a convolution before a normalisation has a bias; BatchNorm has a shift of its own."""
    return kind != "batch"
