"""The DCGAN and the conditional DCGAN of the lecture, for any image size that can be halved often enough.

The lecture has 256x256 and 32x32 pixels. Layers are as in Keras: each has a bias, "same" padding puts zeros where Keras
does, BatchNorm has epsilon 1e-3 and momentum 0.99 (0.01 in torch, which counts the other way round), weights are
Glorot-uniform, embeddings uniform on [-0.05, 0.05]. The lecture's table and its code differ; the settings allow both:

  maps of G                       table [128, 64, 32]   code [128, 32, 16]
  kernel sizes of the cGAN's D    table [4, 3, 3]       code [4, 4, 4]

Two errors of the lecture are corrected: its images are in [0, 1] with a tanh generator (here in [-1, 1]), and resized
to 512 where its text says 256. N images of C channels and H x W pixels, K classes.
"""

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.image_sizes import Sides, sides_of
from saddlepoint.config.rules import BelowOne, Count, ImageSize, WholeNumber, integer, list_of
from saddlepoint.networks.conditioning import BesideLabelMap
from saddlepoint.networks.initialisation import xavier
from saddlepoint.networks.layers import (
    FirstMaps,
    GeneratorNormalization,
    Labelled,
    activation,
    map_normalization,
    outputs_of_each,
    require_classes,
    require_normalization,
    same_convolution,
    sides_over,
)

EPSILON, MOMENTUM = 1e-3, 0.01  # Keras's BatchNormalization
EMBEDDING_BOUND = 0.05  # Keras's Embedding starts on U(-0.05, 0.05)
IMAGE_KERNEL = 8  # pixels, of the convolution that makes the image
BESIDE_LABEL_SLOPE = 0.2  # of LeakyReLU on the first maps of the conditional G, as in D


class LectureUpsampling(nn.Module):
    """First maps from the latents, transposed 4x4 convolutions that double them up to H x W, an 8x8 convolution, tanh.

    Each transposed convolution is followed by normalisation and ReLU. So are the first maps, but with `num_classes`
    above 0 they have LeakyReLU alone, and a label map is appended to them.

    num_classes: K, 0 for no label map
    embedding_size: numbers in the embedding of a class, 1 or more
    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels a side, or [H, W], multiples of 2 to the power of the number of `maps`
    first_maps: maps made of the latents, 1 or more
    maps: number of maps after each doubling, 1 or more each
    normalization: none, batch, layer, instance or virtual_batch
    """

    def __init__(self, num_classes: int, embedding_size: int, /, latent_dim: Count, channels: Count,
                 image_size: ImageSize, first_maps: Count = 256,
                 maps: Annotated[Sequence[int], list_of(integer(1))] = (128, 64, 32),
                 normalization: GeneratorNormalization = "batch"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.generator.first_maps": first_maps})
        smallest = _smallest("generator", image_size, maps)
        require_normalization("generator", normalization)
        self.latent_dim, self.num_classes = latent_dim, num_classes

        def rectified(num_maps: int) -> list[nn.Module]:
            return [*map_normalization(normalization, num_maps, epsilon=EPSILON, momentum=MOMENTUM), activation(0.0)]

        beside = [BesideLabelMap(num_classes, embedding_size, smallest)] if num_classes else []
        first = [activation(BESIDE_LABEL_SLOPE), *beside] if num_classes else rectified(first_maps)
        layers = [FirstMaps(latent_dim, first_maps, bias=True, sides=smallest), *first]
        for inputs, outputs in zip([first_maps + len(beside), *maps], maps, strict=False):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), *rectified(outputs)]
        self.layers = Labelled(*layers, *same_convolution(maps[-1], channels, IMAGE_KERNEL), nn.Tanh())
        _initialise(self)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W] in [-1, 1]"""
        return self.layers(latents, labels)


class LectureDownsampling(nn.Module):
    """Convolutions of stride 2, each with LeakyReLU and dropout, then one linear logit, without normalisation.

    With `num_classes` above 0 the image has one more channel, a label map.

    num_classes: K, 0 for no label map
    embedding_size: numbers in the embedding of a class, 1 or more
    channels: of the images, 1 or more
    image_size: pixels a side, or [H, W], multiples of 2 to the power of the number of `maps`
    maps: number of maps after each convolution, 1 or more each
    kernel_sizes: pixels, 2 or more, one for each of `maps`
    negative_slope: of LeakyReLU, at least 0 and below 1
    dropout: probability of dropping a value after each activation, at least 0 and below 1
    """

    def __init__(self, num_classes: int, embedding_size: int, /, channels: Count, image_size: ImageSize,
                 maps: Annotated[Sequence[int], list_of(integer(1))] = (64, 128, 256),
                 kernel_sizes: Annotated[Sequence[int], list_of(integer(2))] = (4, 4, 4),
                 negative_slope: BelowOne = 0.2, dropout: BelowOne = 0.25):
        super().__init__()
        require_whole_numbers({"data.channels": channels})
        smallest = _smallest("discriminator", image_size, maps)
        require(len(kernel_sizes) == len(maps) and min(kernel_sizes) >= 2, "model.discriminator.kernel_sizes",
                kernel_sizes, f"a list of {len(maps)} whole numbers of at least 2, as many as model.discriminator.maps")
        require(0 <= negative_slope < 1, "model.discriminator.negative_slope", negative_slope, FRACTION)
        require(0 <= dropout < 1, "model.discriminator.dropout", dropout, FRACTION)
        self.num_classes = num_classes
        beside = [BesideLabelMap(num_classes, embedding_size, sides_of(image_size))] if num_classes else []
        inputs = [channels + len(beside), *maps[:-1]]
        blocks = [[*same_convolution(*layer, stride=2), activation(negative_slope), nn.Dropout(dropout)]
                  for layer in zip(inputs, maps, kernel_sizes, strict=True)]
        blocks[0] = [*beside, *blocks[0]]
        self.blocks = Labelled(*(Labelled(*block) for block in blocks))
        self.logit = nn.Linear(smallest.area * maps[-1], 1)
        _initialise(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N]"""
        return self.logit(self.blocks(images, labels).flatten(1)).squeeze(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] -> activations [N, 64, H/2, W/2], [N, 128, H/4, W/4], ..."""
        return outputs_of_each(self.blocks, images, labels)


class LectureGenerator(LectureUpsampling):
    """The generator of the lecture's DCGAN, which ignores labels. `more`: settings of LectureUpsampling."""

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, **more):
        super().__init__(0, 0, latent_dim, channels, image_size, **more)


class LectureDiscriminator(LectureDownsampling):
    """The discriminator of the lecture's DCGAN, which ignores labels. `more`: settings of LectureDownsampling."""

    def __init__(self, channels: Count, image_size: ImageSize, **more):
        super().__init__(0, 0, channels, image_size, **more)


class ConditionalLectureGenerator(LectureUpsampling):
    """The generator of the lecture's conditional DCGAN, which appends a label map to its first maps.

    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels a side, or [H, W], multiples of 2 to the power of the number of `maps`
    num_classes: K, 1 or more
    embedding_size: numbers in the embedding of a class, 1 or more
    more: `first_maps`, `maps` and `normalization` of LectureUpsampling
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, num_classes: WholeNumber,
                 embedding_size: Count = 50, **more):
        _check_labels("generator", num_classes, embedding_size)
        super().__init__(num_classes, embedding_size, latent_dim, channels, image_size, **more)


class ConditionalLectureDiscriminator(LectureDownsampling):
    """The discriminator of the lecture's conditional DCGAN, which appends a label map to the channels of the image.

    `embedding_size`: numbers in the embedding of a class. `more`: settings of LectureDownsampling.
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, embedding_size: Count = 50,
                 **more):
        _check_labels("discriminator", num_classes, embedding_size)
        super().__init__(num_classes, embedding_size, channels, image_size, **more)


def _check_labels(player: str, num_classes: int, embedding_size: int) -> None:
    require_classes(num_classes)
    require_whole_numbers({f"model.{player}.embedding_size": embedding_size})


def _smallest(player: str, image_size: ImageSize, maps: Sequence[int]) -> Sides:
    """Returns the sides of the smallest maps: `image_size` pixels after a halving for each of `maps`."""
    whole = isinstance(maps, Sequence) and all(isinstance(count, int) and count >= 1 for count in maps)
    require(whole and len(maps) > 0, f"model.{player}.maps", maps,
            "a list of whole numbers of at least 1, such as [128,64,32]")
    return sides_over(image_size, 2 ** len(maps), "this model")


def _initialise(network: nn.Module) -> None:
    xavier(network)
    for layer in network.modules():
        if isinstance(layer, nn.Embedding):
            nn.init.uniform_(layer.weight, -EMBEDDING_BOUND, EMBEDDING_BOUND)
