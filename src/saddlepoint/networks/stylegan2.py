"""The networks of StyleGAN2 (Karras et al. 2020, https://arxiv.org/abs/1912.04958, section 2 and 4.1), in plain torch.

N images of C channels and S x S pixels, K classes. G maps latents to a style w, and each layer scales its inputs by a
linear function of the style and divides by what that does to the size of its outputs. D is the paper's with or without
residual connections; StyleGAN2-ADA's preset for CIFAR-10 is without (https://arxiv.org/abs/2006.06676, appendix D).
"""

import math

import torch
from torch import Tensor, nn

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import Count, ImageSize, Probability, WholeNumber
from saddlepoint.networks.equalised import EqualisedConvolution, EqualisedLinear, activated
from saddlepoint.networks.layers import OutputActivation, activation_of_output, outputs_of_each, require_classes
from saddlepoint.networks.minibatch import Group, MinibatchDeviation
from saddlepoint.networks.resampling import Blur, Halving
from saddlepoint.networks.styles import Mapping, StyledBlock
from saddlepoint.parallel.collectives import global_mean

SIZES = (16, 32, 64, 128, 256, 512, 1024)
AVERAGE_KEEPS = 0.995  # of the mean style, for each batch


def _sides(image_size: ImageSize) -> list[int]:
    """Returns the sides of the maps, from 4 to the image's."""
    nearest = min(SIZES, key=lambda size: abs(size - (image_size if isinstance(image_size, int) else 32)))
    require(isinstance(image_size, int) and image_size in SIZES, "data.image_size", sides_of(image_size),
            f"a power of two from {SIZES[0]} to {SIZES[-1]} for model=stylegan2: type data.image_size={nearest}")
    return [2**power for power in range(2, image_size.bit_length())]


def _maps(player: str, sides: list[int], most_maps: int, maps_times_side: int) -> list[int]:
    require_whole_numbers({f"model.{player}.most_maps": most_maps, f"model.{player}.maps_times_side": maps_times_side})
    return [max(min(maps_times_side // side, most_maps), 1) for side in sides]


class MappedGenerator(nn.Module):
    """A mapping of latents to styles, and the synthesis of images from styles.

    The paper's has no tanh: colours outside [-1, 1] are cut off where images are shown, stored or measured.

    num_classes: K, 0 for a network that ignores labels
    latent_dim: numbers in the latents of an image, 1 or more
    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 1024
    style_size: numbers of a style, 1 or more
    mapping_layers: 1 or more
    most_maps: of any layer, 1 or more
    maps_times_side: a layer of larger maps has this many over their side, 1 or more
    style_mixing: the share of images, 0 to 1, whose later layers have the style of other latents in training (Karras et
        al. 2019, section 3.1, https://arxiv.org/abs/1812.04948; there 0.9)
    output_activation: none, for any numbers, or tanh, for images in [-1, 1]
    """

    def __init__(self, num_classes: int, /, latent_dim: Count, channels: Count, image_size: ImageSize,
                 style_size: Count = 512, mapping_layers: Count = 8, most_maps: Count = 512,
                 maps_times_side: Count = 16384, style_mixing: Probability = 0.0,
                 output_activation: OutputActivation = "none"):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "model.generator.style_size": style_size,
                               "model.generator.mapping_layers": mapping_layers})
        sides = _sides(image_size)
        maps = _maps("generator", sides, most_maps, maps_times_side)
        self.latent_dim, self.style_size, self.style_mixing = latent_dim, style_size, style_mixing
        self.num_styles = 2 * len(sides)
        self.map = Mapping(latent_dim, num_classes, style_size, mapping_layers)
        self.register_buffer("mean_style", torch.zeros(style_size))
        self.first = nn.Parameter(torch.randn(maps[0], 4, 4))
        self.blocks = nn.ModuleList(StyledBlock(inputs, outputs, channels, side, style_size)
                                    for inputs, outputs, side in zip([None, *maps[:-1]], maps, sides, strict=True))
        self.output_activation = output_activation
        self.output = nn.Sequential(*activation_of_output(output_activation))

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> styles [N, style_size]"""
        styles = self.map(latents, labels)
        if self.training:
            with torch.no_grad():
                self.mean_style.lerp_(global_mean(styles.detach().mean(0)).to(self.mean_style), 1 - AVERAGE_KEEPS)
        return styles

    def of_layers(self, styles: Tensor) -> Tensor:
        """styles [N, style_size] -> the same one for each layer [N, num_styles, style_size]"""
        return styles[:, None].expand(-1, self.num_styles, -1)

    def synthesis(self, styles: Tensor) -> Tensor:
        """styles [N, style_size], or one for each layer [N, num_styles, style_size] -> images [N, C, S, S], mostly in
        [-1, 1]"""
        each = (self.of_layers(styles) if styles.ndim == 2 else styles).unbind(1)
        maps, image = self.first.expand(styles.shape[0], -1, -1, -1), None
        for number, block in enumerate(self.blocks):  # the style of a block's image is that of the next block's first
            maps, image = block(maps, image, each[max(2 * number - 1, 0):2 * number + 2])
        return self.output(image)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, S, S], mostly in [-1, 1]"""
        styles = self.mapping(latents, labels)
        if self.training and self.style_mixing > 0:
            styles = self._mixed(styles, self.map(torch.randn_like(latents), labels))
        return self.synthesis(styles)

    def _mixed(self, styles: Tensor, others: Tensor) -> Tensor:
        """Returns a style for each layer [N, num_styles, style_size]: from some layer on, that of other latents."""
        count, device = len(styles), styles.device
        begins = torch.randint(1, self.num_styles, (count, 1), device=device)
        begins = torch.where(torch.rand(count, 1, device=device) < self.style_mixing, begins, self.num_styles)
        is_own = torch.arange(self.num_styles, device=device) < begins
        return torch.where(is_own[:, :, None], styles[:, None], others[:, None])

    @property
    def stages(self) -> list[nn.Module]:
        """The blocks, of one resolution each."""
        return [*self.blocks]


class StyleGAN2Generator(MappedGenerator):
    """A StyleGAN2 generator that ignores labels. `more`: settings of MappedGenerator."""

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, **more):
        super().__init__(0, latent_dim, channels, image_size, **more)


class ConditionalStyleGAN2Generator(MappedGenerator):
    """A StyleGAN2 generator whose mapping also reads an embedding of the class. `more`: settings of MappedGenerator."""

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize, num_classes: WholeNumber, **more):
        require_classes(num_classes)
        super().__init__(num_classes, latent_dim, channels, image_size, **more)
        self.num_classes = num_classes


class DownBlock(nn.Module):
    """Two convolutions, of which the second halves the side behind the filter 1-3-3-1, [N, inputs, s, s] ->
    [N, outputs, s/2, s/2]; with a residual connection their sum with a 1x1 convolution of the filtered maps, over
    sqrt(2)."""

    def __init__(self, inputs: int, outputs: int, side: int, residual: bool):
        super().__init__()
        self.first = EqualisedConvolution(inputs, inputs, 3)
        self.second = EqualisedConvolution(inputs, outputs, 3, stride=2, padding=0)
        self.shortcut = EqualisedConvolution(inputs, outputs, 1, bias=False) if residual else None
        self.blur = Blur(sides_of(side), margin=2)
        self.halve = Halving(sides_of(side)) if residual else None

    def forward(self, maps: Tensor) -> Tensor:
        halved = activated(self.second(self.blur(activated(self.first(maps)))))
        if self.shortcut is None:
            return halved
        return (halved + self.shortcut(self.halve(maps))) / math.sqrt(2)


class StyleGAN2Discriminator(nn.Module):
    """A 1x1 convolution of the image, a block for each halving down to 4x4 places, the deviation of the batch as one
    more map, a 3x3 convolution and two linear layers.

    channels: of the images, 1 or more
    image_size: pixels, a power of two from 16 to 1024
    most_maps: of any layer, 1 or more
    maps_times_side: a layer of larger maps has this many over their side, 1 or more
    residual: with residual connections (the paper); without them: StyleGAN2-ADA's preset for CIFAR-10
    minibatch_stddev: images in a group of minibatch.MinibatchDeviation, 2 or more; None: without
    """

    def __init__(self, channels: Count, image_size: ImageSize, most_maps: Count = 512, maps_times_side: Count = 16384,
                 residual: bool = True, minibatch_stddev: Group = 4):
        super().__init__()
        require_whole_numbers({"data.channels": channels})
        sides = _sides(image_size)
        maps = _maps("discriminator", sides, most_maps, maps_times_side)[::-1]
        self.image = EqualisedConvolution(channels, maps[0], 1)
        self.blocks = nn.Sequential(*(DownBlock(inputs, outputs, side, residual) for inputs, outputs, side
                                      in zip(maps, maps[1:], sides[:0:-1], strict=False)))
        self.comparing = nn.Sequential(*([MinibatchDeviation(minibatch_stddev)] if minibatch_stddev else []))
        self.last = EqualisedConvolution(maps[-1] + len(self.comparing), maps[-1], 3)
        self.hidden = EqualisedLinear(maps[-1] * 4 * 4, maps[-1])
        self.logit = EqualisedLinear(maps[-1], self.outputs_of(maps[-1]))

    def outputs_of(self, maps: int) -> int:
        """Returns how many numbers the last layer gives."""
        return 1

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S], labels [N] (ignored) -> logits [N]"""
        return self.last_numbers(images).squeeze(1)

    def last_numbers(self, images: Tensor) -> Tensor:
        """images [N, C, S, S] -> what the last layer gives, [N, 1]; of a conditional network [N, maps]"""
        maps = self.blocks(activated(self.image(images)))
        maps = activated(self.last(self.comparing(maps)))
        return self.logit(activated(self.hidden(maps.flatten(1))))

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The blocks, of one resolution each; the first begins with the layer of the image."""
        first, *others = self.blocks
        return [[self.image, first], *([block] for block in others)]

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, S, S], labels [N] -> the outputs of all blocks"""
        return outputs_of_each(self.blocks, activated(self.image(images)))


class ConditionalStyleGAN2Discriminator(StyleGAN2Discriminator):
    """StyleGAN2Discriminator whose logit is the product of its last numbers with a mapping of the class, over the root
    of their number (StyleGAN2-ADA's public code).

    num_classes: K, 1 or more
    mapping_layers: of the class, 1 or more
    more: settings of StyleGAN2Discriminator
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: WholeNumber, mapping_layers: Count = 8,
                 **more):
        require_classes(num_classes)
        super().__init__(channels, image_size, **more)
        self.num_classes, size = num_classes, len(self.logit.weight)
        self.map = Mapping(0, num_classes, size, mapping_layers)

    def outputs_of(self, maps: int) -> int:
        return maps

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S], labels [N] -> logits [N]"""
        numbers = self.last_numbers(images)
        return (numbers * self.map(None, labels)).sum(1) / math.sqrt(numbers.shape[1])
