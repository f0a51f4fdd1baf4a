"""Parts that several networks are made of, and how a constructor refuses a setting.

N images, C channels or feature maps, S x S pixels.
"""

from collections.abc import Mapping

from torch import Tensor, nn

IMAGE_SIZES = (16, 32, 64, 128, 256)
NORMALIZATIONS = ("none", "batch", "layer", "instance")
FRACTION = "at least 0 and below 1"


def require(holds: bool, setting: str, value: object, must_be: str) -> None:
    if not holds:
        raise ValueError(f"{setting}={value} must be {must_be}")


def require_whole_numbers(settings: Mapping[str, int]) -> None:
    for name, value in settings.items():
        require(isinstance(value, int) and value >= 1, name, value, "a whole number of at least 1")


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


def map_normalization(kind: str, num_maps: int) -> list[nn.Module]:
    """What normalises maps [N, C, H, W], always with a learned scale and shift per map.

    `layer` takes its mean and variance over all of an image's maps and pixels (Ba, Kiros and Hinton 2016,
    https://arxiv.org/abs/1607.06450), `instance` over the pixels of one map, `batch` over one map of all images.
    """
    if kind == "none":
        return []
    if kind == "batch":
        return [nn.BatchNorm2d(num_maps)]
    return [nn.GroupNorm(1, num_maps) if kind == "layer" else nn.InstanceNorm2d(num_maps, affine=True)]


def outputs_of_each(blocks: nn.Sequential, values: Tensor) -> list[Tensor]:
    outputs = []
    for block in blocks:
        values = block(values)
        outputs.append(values)
    return outputs


class FirstMaps(nn.Module):
    """latents [N, latent_dim] -> maps [N, C, 4, 4], each a learned linear function of the latents.

    The same map as a 4x4 transposed convolution of a single pixel, as one matrix product; its rows are laid out
    channels last, which is how the convolutions that follow read fastest.
    """

    def __init__(self, latent_dim: int, num_maps: int, bias: bool):
        super().__init__()
        self.linear = nn.Linear(latent_dim, 4 * 4 * num_maps, bias=bias)
        self.num_maps = num_maps

    def forward(self, latents: Tensor) -> Tensor:
        return self.linear(latents).view(-1, 4, 4, self.num_maps).permute(0, 3, 1, 2)
