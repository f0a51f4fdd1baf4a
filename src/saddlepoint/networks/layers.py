"""Layers that several networks share, and checks of the settings that they share.

N images, C channels or feature maps, S x S pixels.
"""


from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.config.rules import one_of

IMAGE_SIZES = (16, 32, 64, 128, 256)
NORMALIZATIONS = ("none", "batch", "layer", "instance")
Normalization = Annotated[str, one_of(*NORMALIZATIONS)]


def require_classes(num_classes: int) -> None:
    """Refuses a number of classes below 1 with a ValueError, for conditional networks."""
    require(isinstance(num_classes, int) and num_classes >= 1, "data.num_classes", num_classes,
            "a whole number of at least 1 for a conditional model: choose data with classes (a folder with K class "
            "folders: data.num_classes=K) or an unconditional model, e.g. model=dcgan")


def doublings(image_size: int, start: int) -> int:
    """Returns how often a side of `start` pixels must double to be `image_size`; refuses sizes not in IMAGE_SIZES."""
    if image_size not in IMAGE_SIZES:
        nearest = min(IMAGE_SIZES, key=lambda size: abs(size - image_size))
        raise ValueError(f"data.image_size={image_size} must be a power of two from {IMAGE_SIZES[0]} to "
                         f"{IMAGE_SIZES[-1]} for this model: type data.image_size={nearest}")
    return (image_size // start).bit_length() - 1


def activation(negative_slope: float) -> nn.Module:
    """Returns LeakyReLU, or ReLU for a slope of 0; in place, as the layers before it need no output of their own."""
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)


def map_normalization(kind: str, num_maps: int, affine: bool = True, epsilon: float = 1e-5,
                      momentum: float = 0.1) -> list[nn.Module]:
    """Returns the layers that normalise maps [N, C, H, W]; with `affine` they have a learned scale and shift per map.

    The mean and variance of `layer` are over all maps and pixels of an image (Ba, Kiros and Hinton 2016,
    https://arxiv.org/abs/1607.06450), those of `instance` over the pixels of one map of an image, those of `batch` over
    the pixels of one map in all images.

    kind: none, batch, layer or instance
    num_maps: C, 1 or more
    affine: learns a scale and a shift per map
    epsilon: added to the variance, above 0
    momentum: share of a batch's statistics in the running ones, from 0 to 1
    """
    if kind == "none":
        return []
    if kind == "batch":
        return [nn.BatchNorm2d(num_maps, epsilon, momentum, affine)]
    if kind == "layer":
        return [nn.GroupNorm(1, num_maps, epsilon, affine)]
    return [nn.InstanceNorm2d(num_maps, epsilon, affine=affine)]


def same_convolution(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> list[nn.Module]:
    """Returns a convolution with Keras's "same" padding: [N, inputs, H, W] -> [N, outputs, H / stride, W / stride].

    Of an odd number of zeros the additional one is on the right and below; torch has as many on both sides.
    """
    zeros = kernel_size - stride
    if zeros % 2 == 0:
        return [nn.Conv2d(inputs, outputs, kernel_size, stride, padding=zeros // 2)]
    before, after = zeros // 2, zeros - zeros // 2
    return [nn.ZeroPad2d((before, after, before, after)), nn.Conv2d(inputs, outputs, kernel_size, stride)]


class ReadsLabels(nn.Module):
    """The base of layers whose forward takes (values, labels); other layers take values alone."""


def apply_layer(layer: nn.Module, values: Tensor, labels: Tensor | None) -> Tensor:
    """Calls the layer, with the labels if it reads them."""
    return layer(values, labels) if isinstance(layer, ReadsLabels) else layer(values)


class Labelled(nn.Sequential, ReadsLabels):
    """nn.Sequential that hands labels to the layers that read them."""

    def forward(self, values: Tensor, labels: Tensor | None = None) -> Tensor:
        for layer in self:
            values = apply_layer(layer, values, labels)
        return values


def outputs_of_each(blocks: nn.Sequential, values: Tensor, labels: Tensor | None = None) -> list[Tensor]:
    """Returns what each block computes from the output of the one before, in order."""
    outputs = []
    for block in blocks:
        values = apply_layer(block, values, labels)
        outputs.append(values)
    return outputs


class FirstMaps(nn.Module):
    """The first layer of a generator: maps that are a learned linear function of the latents.

    It computes a transposed convolution of a single pixel as one matrix product. Its outputs are in channels_last
    order, which is fastest for the convolutions that follow.
    """

    def __init__(self, latent_dim: int, num_maps: int, bias: bool, side: int = 4):
        super().__init__()
        self.linear = nn.Linear(latent_dim, side * side * num_maps, bias=bias)
        self.num_maps, self.side = num_maps, side

    def forward(self, latents: Tensor) -> Tensor:
        """latents [N, latent_dim] -> maps [N, C, side, side]"""
        return self.linear(latents).view(-1, self.side, self.side, self.num_maps).permute(0, 3, 1, 2)
