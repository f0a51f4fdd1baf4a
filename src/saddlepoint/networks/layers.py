"""Parts that several networks are made of, and how a constructor refuses a setting.

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
    require(isinstance(num_classes, int) and num_classes >= 1, "data.num_classes", num_classes,
            "a whole number of at least 1 for a conditional model: choose data with classes (a folder with K class "
            "folders: data.num_classes=K) or an unconditional model, e.g. model=dcgan")


def doublings(image_size: int, start: int) -> int:
    """How often `start` pixels must double to make the image, for networks that work by doubling and halving."""
    if image_size not in IMAGE_SIZES:
        nearest = min(IMAGE_SIZES, key=lambda size: abs(size - image_size))
        raise ValueError(f"data.image_size={image_size} must be a power of two from {IMAGE_SIZES[0]} to "
                         f"{IMAGE_SIZES[-1]} for this model: type data.image_size={nearest}")
    return (image_size // start).bit_length() - 1


def activation(negative_slope: float) -> nn.Module:
    """In place: what comes before it (a linear map or a normalisation) does not need its own output again."""
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)


def map_normalization(kind: str, num_maps: int, affine: bool = True, epsilon: float = 1e-5,
                      momentum: float = 0.1) -> list[nn.Module]:
    """What normalises maps [N, C, H, W]; `affine`: with a learned scale and shift per map.

    `layer` takes its mean and variance over all of an image's maps and pixels (Ba, Kiros and Hinton 2016,
    https://arxiv.org/abs/1607.06450), `instance` over the pixels of one map, `batch` over one map of all images.
    """
    if kind == "none":
        return []
    if kind == "batch":
        return [nn.BatchNorm2d(num_maps, epsilon, momentum, affine)]
    if kind == "layer":
        return [nn.GroupNorm(1, num_maps, epsilon, affine)]
    return [nn.InstanceNorm2d(num_maps, epsilon, affine=affine)]


def same_convolution(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> list[nn.Module]:
    """maps [N, inputs, H, W] -> [N, outputs, H / stride, W / stride], with zeros around them where Keras puts them: of
    an odd number the last stands right and below (torch's convolutions have as many on both sides)."""
    zeros = kernel_size - stride
    if zeros % 2 == 0:
        return [nn.Conv2d(inputs, outputs, kernel_size, stride, padding=zeros // 2)]
    before, after = zeros // 2, zeros - zeros // 2
    return [nn.ZeroPad2d((before, after, before, after)), nn.Conv2d(inputs, outputs, kernel_size, stride)]


class ReadsLabels(nn.Module):
    """A layer of (values, labels); any other layer is one of values alone."""


def through(layer: nn.Module, values: Tensor, labels: Tensor | None) -> Tensor:
    return layer(values, labels) if isinstance(layer, ReadsLabels) else layer(values)


class Labelled(nn.Sequential, ReadsLabels):
    """Layers in a row, in which those that read labels are given them."""

    def forward(self, values: Tensor, labels: Tensor | None = None) -> Tensor:
        for layer in self:
            values = through(layer, values, labels)
        return values


def outputs_of_each(blocks: nn.Sequential, values: Tensor, labels: Tensor | None = None) -> list[Tensor]:
    outputs = []
    for block in blocks:
        values = through(block, values, labels)
        outputs.append(values)
    return outputs


class FirstMaps(nn.Module):
    """latents [N, latent_dim] -> maps [N, C, side, side], each a learned linear function of the latents.

    The same map as a transposed convolution of a single pixel, as one matrix product; its rows are laid out channels
    last, which is how the convolutions that follow read fastest.
    """

    def __init__(self, latent_dim: int, num_maps: int, bias: bool, side: int = 4):
        super().__init__()
        self.linear = nn.Linear(latent_dim, side * side * num_maps, bias=bias)
        self.num_maps, self.side = num_maps, side

    def forward(self, latents: Tensor) -> Tensor:
        return self.linear(latents).view(-1, self.side, self.side, self.num_maps).permute(0, 3, 1, 2)
