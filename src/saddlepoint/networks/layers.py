"""Layers that several networks share, and checks of the settings that they share.

N images, C channels or feature maps, H x W pixels.
"""

from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import require
from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import ImageSize, one_of
from saddlepoint.networks.virtual_batch import VirtualBatchNorm

IMAGE_SIZES = (16, 32, 64, 128, 256)  # of squares
SMALLEST = Sides(4, 4)  # maps of squares; of other images the shorter side is 4 to 7
NORMALIZATIONS = ("none", "batch", "layer", "instance")
VIRTUAL_BATCH = "virtual_batch"  # of generators alone, which are given a reference batch
Normalization = Annotated[str, one_of(*NORMALIZATIONS)]
GeneratorNormalization = Annotated[str, one_of(*NORMALIZATIONS, VIRTUAL_BATCH)]
OUTPUT_ACTIVATIONS = ("tanh", "none")
OutputActivation = Annotated[str, one_of(*OUTPUT_ACTIVATIONS)]


def require_classes(num_classes: int) -> None:
    """Refuses a number of classes below 1 with a ValueError, for conditional networks."""
    require(isinstance(num_classes, int) and num_classes >= 1, "data.num_classes", num_classes,
            "a whole number of at least 1 for a conditional model: choose data with classes (a folder with K class "
            "folders: data.num_classes=K) or an unconditional model, e.g. model=dcgan")


def require_normalization(player: str, value: str, choices: tuple[str, ...] = NORMALIZATIONS) -> None:
    """Refuses what is none of the choices with a ValueError; generators have virtual_batch as well."""
    choices = (*choices, VIRTUAL_BATCH) if player == "generator" else choices
    require(value in choices, f"model.{player}.normalization", value, "one of " + ", ".join(choices))


def doublings(image_size: ImageSize) -> tuple[int, Sides]:
    """Returns how often the smallest maps double to be an image, 2 to 6 times, and the sides of these maps.

    Those of squares are 4x4. Those of other images are as small as two whole numbers of at least 4 can be, and the
    shorter is at most 7, as a larger one would leave a network too few layers for its images. Refuses other sizes.
    """
    sides = sides_of(image_size)
    if sides.is_square:
        if image_size not in IMAGE_SIZES:
            nearest = min(IMAGE_SIZES, key=lambda size: abs(size - image_size))
            raise ValueError(f"data.image_size={image_size} must be a power of two from {IMAGE_SIZES[0]} to "
                             f"{IMAGE_SIZES[-1]} for this model: type data.image_size={nearest}")
        return (image_size // 4).bit_length() - 1, SMALLEST
    levels, smallest = 0, sides
    while min(smallest) >= 8 and not any(side % 2 for side in smallest):
        levels, smallest = levels + 1, smallest.divided(2)
    if not 4 <= min(smallest) <= 7 or not 2 <= levels <= 6:
        raise ValueError(f"data.image_size={sides} must have two sides that can be halved together, 2 to 6 times, "
                         "until the shorter has 4 to 7 pixels, for this model: type data.image_size="
                         f"{_nearest(sides)}")
    return levels, smallest


def sides_over(image_size: ImageSize, step: int, who: str) -> Sides:
    """Returns the sides divided by `step`; refuses those that are no multiples of it. `who` needs it, e.g. this model.
    """
    sides = sides_of(image_size)
    nearest = sides.nearest_multiple(step)
    require(sides == nearest, "data.image_size", sides,
            f"{'a multiple' if sides.is_square else 'multiples'} of {step} for {who}: type data.image_size={nearest}")
    return sides.divided(step)


def _nearest(sides: Sides) -> Sides:
    """Returns the sides nearest to these that `doublings` takes."""
    is_tall, candidates = sides.height > sides.width, [Sides(size, size) for size in IMAGE_SIZES]
    for step in (64, 32, 16, 8, 4):
        short = min(max(round(min(sides) / step), 4), 7) * step
        long = max(round(max(sides) / step) * step, short + step)
        candidates.append(Sides(long, short) if is_tall else Sides(short, long))
    return min(candidates, key=lambda each: abs(each.height - sides.height) + abs(each.width - sides.width))


def activation(negative_slope: float) -> nn.Module:
    """Returns LeakyReLU, or ReLU for a slope of 0; in place, as the layers before it need no output of their own."""
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)


def activation_of_output(kind: str) -> list[nn.Module]:
    """Returns what follows a generator's last layer: tanh, for images in [-1, 1], or none, for any numbers. Refuses
    other kinds with a ValueError."""
    require(kind in OUTPUT_ACTIVATIONS, "model.generator.output_activation", kind, "tanh or none")
    return [nn.Tanh()] if kind == "tanh" else []


def map_normalization(kind: str, num_maps: int, affine: bool = True, epsilon: float = 1e-5,
                      momentum: float = 0.1) -> list[nn.Module]:
    """Returns the layers that normalise maps [N, C, H, W]; with `affine` they have a learned scale and shift per map.

    The mean and variance of `layer` are over all maps and pixels of an image (Ba, Kiros and Hinton 2016,
    https://arxiv.org/abs/1607.06450), those of `instance` over the pixels of one map of an image, those of `batch` over
    the pixels of one map in all images, those of `virtual_batch` over a reference batch (virtual_batch.py).

    kind: none, batch, layer, instance or virtual_batch
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
    if kind == VIRTUAL_BATCH:
        return [VirtualBatchNorm(num_maps, epsilon, affine)]
    return [nn.InstanceNorm2d(num_maps, epsilon, affine=affine)]


def same_zeros(side: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Returns how many zeros "same" padding puts before and after `side` values, so that a convolution has
    ceil(side / stride) outputs. Of an odd number the additional one comes after; torch has as many on both sides.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2, for kernels no smaller than the stride
    """
    zeros = max((-(-side // stride) - 1) * stride + kernel_size - side, 0)
    return zeros // 2, zeros - zeros // 2


def same_convolution(inputs: int, outputs: int, kernel_size: int, stride: int = 1,
                     sides: Sides | None = None) -> list[nn.Module]:
    """Returns a convolution with the "same" padding of Keras and TensorFlow: [N, inputs, H, W] -> [N, outputs,
    ceil(H / stride), ceil(W / stride)]. `sides`: H and W; None: multiples of the stride."""
    above, below, left, right = (zeros for side in sides or (stride, stride)
                                 for zeros in same_zeros(side, kernel_size, stride))
    if (above, left) == (below, right):
        return [nn.Conv2d(inputs, outputs, kernel_size, stride, padding=(above, left))]
    return [nn.ZeroPad2d((left, right, above, below)), nn.Conv2d(inputs, outputs, kernel_size, stride)]


class SameTransposed(nn.ConvTranspose2d):
    """A transposed convolution that turns the "same" convolution of such sides round: [N, inputs, ceil(H / stride),
    ceil(W / stride)] -> [N, outputs, H, W]. `sides`: H and W."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int, sides: Sides):
        zeros = [same_zeros(side, kernel_size, stride) for side in sides]
        super().__init__(inputs, outputs, kernel_size, stride, padding=tuple(before for before, _ in zeros))
        self.sides, self.cuts = sides, any(before != after for before, after in zeros)

    def forward(self, maps: Tensor) -> Tensor:
        uncut = super().forward(maps)
        if not self.cuts:
            return uncut
        return uncut[..., :self.sides.height, :self.sides.width].clone()  # dense: else what follows takes its slow way


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

    def __init__(self, latent_dim: int, num_maps: int, bias: bool, sides: Sides = SMALLEST):
        super().__init__()
        self.linear = nn.Linear(latent_dim, sides.height * sides.width * num_maps, bias=bias)
        self.num_maps, self.sides = num_maps, sides

    def forward(self, latents: Tensor) -> Tensor:
        """latents [N, latent_dim] -> maps [N, C, H, W] of the sides"""
        return self.linear(latents).view(-1, *self.sides, self.num_maps).permute(0, 3, 1, 2)
