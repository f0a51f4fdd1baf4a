"""The parts of StyleGAN2's generator (Karras et al. 2020, https://arxiv.org/abs/1912.04958, section 2 and
4.1): the mapping of latents to a style, and layers that scale their inputs by a linear function of the style."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.networks.equalised import EqualisedLinear, activated, unit_length
from saddlepoint.networks.resampling import Blur, Doubling

MAPPING_RATE = 0.01  # the learning rate of mappings, as a share of that of other layers
EPSILON = 1e-8


class Mapping(nn.Module):
    """Latents, and of conditional networks an embedding of the class beside them, through layers of `size` numbers.

    Both are brought to a mean square of 1 before. The embedding is a linear layer of a one-hot vector.

    latent_dim: numbers of the latents; 0: the class alone is mapped
    num_classes: K; 0: the class is not read
    """

    def __init__(self, latent_dim: int, num_classes: int, size: int, layers: int):
        super().__init__()
        self.embedding = EqualisedLinear(num_classes, size) if num_classes else None
        inputs = latent_dim + (size if num_classes else 0)
        self.layers = nn.ModuleList(EqualisedLinear(inputs if number == 0 else size, size, rate=MAPPING_RATE)
                                    for number in range(layers))

    def forward(self, latents: Tensor | None, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> [N, size]"""
        parts = [] if latents is None else [unit_length(latents)]
        if self.embedding is not None:
            of_classes = self.embedding.weight.T * self.embedding.scale + self.embedding.bias
            parts.append(unit_length(F.embedding(labels, of_classes)))
        values = torch.cat(parts, 1)
        for layer in self.layers:
            values = activated(layer(values))
        return values


class StyledConvolution(nn.Module):
    """A convolution whose weights are scaled by input map with a linear function of the style, and, if it demodulates,
    divided by output map so that outputs of unit inputs have unit size (section 2.2, eq. 1 and 3).

    Inputs and outputs are scaled in the place of weights, which computes the same with one convolution of the batch.

    doubles: the side of the maps, which is doubled by a transposed convolution and the filter 1-3-3-1; None: it is kept
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, style_size: int, demodulates: bool = True,
                 doubles: int | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.scales = EqualisedLinear(style_size, inputs, bias=1.0)
        self.gain = 1 / math.sqrt(inputs * kernel_size**2)
        self.demodulates = demodulates
        self.blur = Blur(sides_of(2 * doubles + 1), margin=1, gain=2.0) if doubles else None

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        """maps [N, inputs, H, W], styles [N, W] -> [N, outputs, H, W], or [N, outputs, 2H, 2W] if it doubles"""
        scales, weight = self.scales(styles), self.weight * self.gain
        maps = maps * scales[:, :, None, None]
        if self.blur is not None:
            maps = self.blur(F.conv_transpose2d(maps, weight.transpose(0, 1), stride=2))
        else:
            maps = F.conv2d(maps, weight, padding=self.weight.shape[2] // 2)
        if not self.demodulates:
            return maps
        sizes = scales.square() @ weight.square().sum((2, 3)).T
        return maps * (sizes + EPSILON).rsqrt()[:, :, None, None]


class StyledLayer(nn.Module):
    """A styled convolution, noise of a learned strength, a bias and leaky ReLU, of maps of side `side` behind it.

    The noise is drawn anew in training, and else is the same for all images, as in the authors' code for pictures.
    """

    def __init__(self, inputs: int, outputs: int, side: int, style_size: int, doubles: bool = False):
        super().__init__()
        self.convolution = StyledConvolution(inputs, outputs, 3, style_size, doubles=side // 2 if doubles else None)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        """maps [N, inputs, h, w], styles [N, W] -> [N, outputs, side, side]"""
        maps = self.convolution(maps, styles)
        noise = torch.randn_like(maps[:, :1]) if self.training else self.noise
        return activated(torch.addcmul(maps, self.noise_strength, noise) + self.bias[:, None, None])


class StyledBlock(nn.Module):
    """The layers of one side, and what they add to the image (section 4.1, figure 7b).

    The first block has one layer, each other two, of which the first doubles the side.
    """

    def __init__(self, inputs: int | None, outputs: int, channels: int, side: int, style_size: int):
        super().__init__()
        self.first = StyledLayer(inputs, outputs, side, style_size, doubles=True) if inputs else None
        self.second = StyledLayer(outputs, outputs, side, style_size)
        self.image = StyledConvolution(outputs, channels, 1, style_size, demodulates=False)
        self.image_bias = nn.Parameter(torch.zeros(channels))
        self.enlarge = Doubling(sides_of(side // 2)) if inputs else None

    def forward(self, maps: Tensor, image: Tensor | None, styles: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """maps [N, inputs, h, w], the image so far [N, C, h, w], styles [N, W] of each layer and of the image's layer
        -> maps [N, outputs, side, side], image [N, C, side, side]"""
        *before, second, last = styles
        if self.first is not None:
            maps = self.first(maps, *before)
        maps = self.second(maps, second)
        addition = self.image(maps, last) + self.image_bias[:, None, None]
        return maps, addition if image is None else self.enlarge(image) + addition
