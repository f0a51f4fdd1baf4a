"""The classifier of semi-supervised learning: Salimans et al. 2016, section 5, https://arxiv.org/abs/1606.03498

N images of C channels and H x W pixels, K classes.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from saddlepoint.checks import require, require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import Count, ImageSize, NonNegative, integer, list_of
from saddlepoint.networks.initialisation import he


class GaussianNoise(nn.Module):
    """Adds noise of N(0, deviation^2) to each number in training, and nothing in evaluation."""

    def __init__(self, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, values: Tensor) -> Tensor:
        """values [N, ...] -> the same shape"""
        return values + self.deviation * torch.randn_like(values) if self.training and self.deviation else values

    def extra_repr(self) -> str:
        return f"{self.deviation:g}"


class MLPClassifierDiscriminator(nn.Module):
    """A discriminator whose logit is log sum_k exp l_k, l the logits of K classes.

    So s(D(x)) = Z / (Z + 1) with Z = sum_k exp l_k, the probability that x is of one of the K classes where the logit
    of one more class, fake, is fixed to 0. Adding a number to all logits does not change a softmax of K + 1 classes, so
    nothing is lost (Salimans et al. 2016, section 5). Layers are noise, linear with weight normalisation (Salimans and
    Kingma 2016, https://arxiv.org/abs/1602.07868), ReLU, as in the paper's code for digits
    (https://github.com/openai/improved-gan); weights begin as He's, where the code normalises the first batch.

    channels: of the images, 1 or more
    image_size: pixels of a side, 1 or more, or [H, W]
    num_classes: K, 1 or more
    widths: numbers in each hidden layer, 1 or more each
    input_noise: standard deviation of the noise on pixels from -1 to 1, 0 or more
    hidden_noise: that of the noise behind each hidden layer, 0 or more
    """

    def __init__(self, channels: Count, image_size: ImageSize, num_classes: Count,
                 widths: Annotated[Sequence[int], list_of(integer(1))], input_noise: NonNegative = 0.6,
                 hidden_noise: NonNegative = 0.5):
        super().__init__()
        require_whole_numbers({"data.channels": channels, "data.num_classes": num_classes})
        require(len(widths) > 0 and all(isinstance(width, int) and width >= 1 for width in widths),
                "model.discriminator.widths", widths, "a list of whole numbers of at least 1, such as [1000,500]")
        for setting, noise in {"input_noise": input_noise, "hidden_noise": hidden_noise}.items():
            require(noise >= 0, f"model.discriminator.{setting}", noise, "at least 0")
        inputs = channels * sides_of(image_size).area
        deviations = [input_noise] + [hidden_noise] * (len(widths) - 1)
        self.hidden = nn.ModuleList(
            nn.Sequential(GaussianNoise(deviation), nn.Linear(before, after), nn.ReLU(inplace=True))
            for deviation, before, after in zip(deviations, [inputs, *widths], widths, strict=False))
        self.logits = nn.Sequential(GaussianNoise(hidden_noise), nn.Linear(widths[-1], num_classes))
        he(self)
        for layer in [layer for layer in self.modules() if isinstance(layer, nn.Linear)]:
            weight_norm(layer)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> logits [N]"""
        return self.class_logits(images, labels).logsumexp(1)

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (ignored) -> [N, K]"""
        return self.logits(self.features(images, labels)[-1])

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] (ignored) -> activations [N, width] of each hidden layer, before noise"""
        outputs, values = [], images.flatten(1)
        for layer in self.hidden:
            values = layer(values)
            outputs.append(values)
        return outputs
