"""The discriminators of SRGAN, ESRGAN and Real-ESRGAN.

N images of C channels and H x W pixels in [-1, 1], as for all discriminators. BasicSR trains its discriminators on
[0, 1]: the same tensor gives the same logits, but weights that were trained there expect (images + 1) / 2.
"""

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.rules import Count, ImageSize
from saddlepoint.networks.layers import (
    NORMALIZATIONS,
    Normalization,
    activation,
    doublings,
    map_normalization,
    outputs_of_each,
    sides_over,
)

NEGATIVE_SLOPE = 0.2
SRGAN_HALVINGS = 4
UNET_HALVINGS = 3
# The names spectral norm gives a layer's weight and its first singular vectors: torch's parametrization, its old hook.
SPECTRAL_NAMES = {".parametrizations.weight.original": ".weight_orig", ".parametrizations.weight.0._u": ".weight_u",
                  ".parametrizations.weight.0._v": ".weight_v"}


def _check(channels: int, width: int, normalization: str) -> None:
    require_whole_numbers({"data.channels": channels, "model.discriminator.width": width})
    require(normalization in NORMALIZATIONS, "model.discriminator.normalization", normalization,
            "one of " + ", ".join(NORMALIZATIONS))


class SRGANDiscriminator(nn.Module):
    """SRGAN's discriminator: eight 3x3 convolutions, every second of stride 2, with `width` to 8 width maps; then 1024
    units and one logit.

    Ledig et al. 2017, section 2.1, https://arxiv.org/abs/1609.04802 (96 x 96 pixels). The first convolution is never
    normalised; all of them have a bias. Both sides must be a multiple of 16.
    """

    def __init__(self, channels: Count = 3, image_size: ImageSize = 96, width: Count = 64,
                 normalization: Normalization = "batch"):
        super().__init__()
        _check(channels, width, normalization)
        smallest = sides_over(image_size, 2**SRGAN_HALVINGS, "this discriminator")
        maps = [width * 2**level for level in range(SRGAN_HALVINGS) for _ in range(2)]
        self.blocks = nn.Sequential()
        for place, (inputs, outputs) in enumerate(pairwise([channels, *maps])):
            self.blocks.append(nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride=1 + place % 2, padding=1),
                *(map_normalization(normalization, outputs) if place else ()), activation(NEGATIVE_SLOPE)))
        self.logit = nn.Sequential(nn.Linear(maps[-1] * smallest.area, 1024), activation(NEGATIVE_SLOPE),
                                   nn.Linear(1024, 1))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.logit(self.blocks(images).flatten(1)).squeeze(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> activations [N, width, H, W], [N, width, H/2, W/2], ..., [N, 8 width, H/16, W/16]"""
        return outputs_of_each(self.blocks, images)


class VGGStyleDiscriminator(nn.Module):
    """ESRGAN's discriminator: pairs of a 3x3 convolution and a 4x4 one of stride 2 down to maps of 4x4 pixels, then 100
    units and one logit.

    Wang et al. 2018, https://arxiv.org/abs/1809.00219 (128 x 128 pixels), with BasicSR's parameter names. The
    first convolution is never normalised and has a bias; the others have one only with normalization=none. The sides
    must be those that `layers.doublings` takes.
    """

    def __init__(self, channels: Count = 3, image_size: ImageSize = 128, width: Count = 64,
                 normalization: Normalization = "batch"):
        super().__init__()
        _check(channels, width, normalization)
        levels, smallest = doublings(image_size)
        maps = [width * min(2**level, 8) for level in range(levels)]
        self.places = [f"{level}_{half}" for level in range(levels) for half in range(2)]
        for place, (inputs, outputs) in zip(self.places, pairwise([channels, *(m for m in maps for _ in range(2))]),
                                            strict=True):
            first, halves = place == "0_0", place.endswith("1")
            self.add_module(f"conv{place}", nn.Conv2d(inputs, outputs, 3 + halves, stride=1 + halves, padding=1,
                                                      bias=first or normalization == "none"))
            normalized = map_normalization("none" if first else normalization, outputs)
            self.add_module(f"bn{place}", *(normalized or [nn.Identity()]))
        self.linear1, self.linear2 = nn.Linear(maps[-1] * smallest.area, 100), nn.Linear(100, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        last = self.features(images, labels)[-1]
        return self.linear2(_activated(self.linear1(last.flatten(1)))).squeeze(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> activations [N, width, H, W], [N, width, H/2, W/2], ..., the smallest"""
        outputs, maps = [], images
        for place in self.places:
            maps = _activated(self.get_submodule(f"bn{place}")(self.get_submodule(f"conv{place}")(maps)))
            outputs.append(maps)
        return outputs


class UNetDiscriminator(nn.Module):
    """Real-ESRGAN's discriminator, a U-Net: it halves the maps three times, doubles them again and gives one logit per
    pixel. After each doubling the maps of the same size from before the halving are added.

    Wang et al. 2021, section 3.3, https://arxiv.org/abs/2107.10833, with BasicSR's layer names. All convolutions but
    the first and the last have spectral norm. `load_state_dict` also loads BasicSR's files, and `basicsr_state` returns
    such a state dict. The sides of images must be a multiple of 8.
    """

    def __init__(self, channels: Count = 3, width: Count = 64):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "model.discriminator.width": width})
        self.conv0 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv1, self.conv2, self.conv3 = (
            spectral_norm(nn.Conv2d(width * 2**level, width * 2**(level + 1), 4, stride=2, padding=1, bias=False))
            for level in range(UNET_HALVINGS))
        self.conv4, self.conv5, self.conv6, self.conv7, self.conv8 = (
            spectral_norm(nn.Conv2d(inputs * width, outputs * width, 3, padding=1, bias=False))
            for inputs, outputs in ((8, 4), (4, 2), (2, 1), (1, 1), (1, 1)))
        self.conv9 = nn.Conv2d(width, 1, 3, padding=1)
        self.register_load_state_dict_pre_hook(_rename_in_place)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N, 1, H, W]"""
        return self.conv9(self.features(images, labels)[-1])

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W] -> nine activations: four from [N, width, H, W] down to [N, 8 width, H/8, W/8], three up
        again, after the addition, and two [N, width, H, W]"""
        _require_multiple(images, 2**UNET_HALVINGS)
        outputs = [_activated(self.conv0(images))]
        for layer in (self.conv1, self.conv2, self.conv3):
            outputs.append(_activated(layer(outputs[-1])))
        for layer, same_size in zip((self.conv4, self.conv5, self.conv6), outputs[2::-1], strict=True):
            larger = F.interpolate(outputs[-1], scale_factor=2, mode="bilinear", align_corners=False)
            outputs.append(_activated(layer(larger)) + same_size)
        for layer in (self.conv7, self.conv8):
            outputs.append(_activated(layer(outputs[-1])))
        return outputs

    def basicsr_state(self) -> dict[str, Tensor]:
        """Returns the state dict with the names that BasicSR's UNetDiscriminatorSN has."""
        return rename_endings(self.state_dict(), SPECTRAL_NAMES)


def rename_endings(state: Mapping[str, Tensor], endings: Mapping[str, str]) -> dict[str, Tensor]:
    """Returns the tensors in the same order; each name that ends in a key of `endings` ends in its value instead."""
    names = {}
    for name in state:
        ending = next((ending for ending in endings if name.endswith(ending)), "")
        names[name] = name.removesuffix(ending) + endings.get(ending, "")
    return {names[name]: values for name, values in state.items()}


def _rename_in_place(network: nn.Module, state: dict[str, Tensor], *_) -> None:
    """Turns names of torch's old spectral norm into the new ones, in the copy that load_state_dict gives its hooks."""
    translated = rename_endings(state, {old: new for new, old in SPECTRAL_NAMES.items()})
    state.clear()
    state.update(translated)


def _require_multiple(images: Tensor, multiple: int) -> None:
    height, width = images.shape[-2:]
    if height % multiple or width % multiple:
        nearest = max(round(height / multiple), 1) * multiple
        raise ValueError(f"images of {height} x {width} pixels cannot be halved three times by this discriminator: "
                         f"both sides must be a multiple of {multiple}, e.g. data.image_size={nearest}")


def _activated(maps: Tensor) -> Tensor:
    return F.leaky_relu(maps, NEGATIVE_SLOPE, inplace=True)
