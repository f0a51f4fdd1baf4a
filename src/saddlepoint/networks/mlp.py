"""Fully connected networks: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661

N images of C channels and H x W pixels, P = C H W numbers each. Published fully connected GANs differ in many details:
where the normalisation is, what is dropped, whether the output is activated. Each of these is a setting here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.image_sizes import sides_of
from saddlepoint.config.rules import BelowOne, Count, ImageSize, Positive, either, integer, list_of, number, one_of
from saddlepoint.networks.initialisation import normal, uniform_fan_out
from saddlepoint.networks.layers import (
    VIRTUAL_BATCH,
    OutputActivation,
    activation,
    activation_of_output,
    outputs_of_each,
    require_normalization,
)
from saddlepoint.networks.minibatch import Comparison, Discrimination, Group
from saddlepoint.networks.virtual_batch import VirtualBatchNorm

INITIALISATIONS = {"default": lambda network: None, "normal": normal, "uniform_fan_out": uniform_fan_out}
NORMALIZATIONS = ("none", "batch", "layer")  # no `instance`: a vector has one value per channel, always its own mean
POSITIONS = ("before", "after")
DROPOUT = number(0, 1, below=True)


@dataclass(frozen=True)
class _Style:
    """The settings of one network, whose layers are: linear, [norm,] activation [, norm] [, dropout]."""

    player: str
    negative_slope: float
    activate_output: bool
    normalization: str
    normalization_position: str
    normalize_first: bool
    epsilon: float
    momentum: float
    dropout: float | Sequence[float]
    initialisation: str
    comparison: Comparison

    def layers(self, inputs: int, widths: Sequence[int], outputs: int) -> nn.Sequential:
        """Builds one block for each layer; the last is the output layer, which is never normalised."""
        self._check(widths)
        dropouts = self._dropouts(len(widths))
        network = nn.Sequential()
        *befores, features = inputs, *widths
        comparing, compared = self.comparison.layers(features)
        for index, (before, after) in enumerate(zip([*befores, compared], [*widths, outputs], strict=True)):
            hidden = index < len(widths)
            normalized = self._normalized(after) if hidden and (index or self.normalize_first) else []
            activated = [activation(self.negative_slope)] if hidden or self.activate_output else []
            dropped = [nn.Dropout(dropouts[index])] if dropouts[index] else []
            middle = normalized + activated if self.normalization_position == "before" else activated + normalized
            first = [] if hidden else comparing
            network.append(nn.Sequential(*first, nn.Linear(before, after), *middle, *dropped))
        INITIALISATIONS[self.initialisation](network)
        return network

    def _normalized(self, width: int) -> list[nn.Module]:
        if self.normalization == "none":
            return []
        if self.normalization == "layer":
            return [nn.LayerNorm(width, self.epsilon)]
        if self.normalization == VIRTUAL_BATCH:
            return [VirtualBatchNorm(width, self.epsilon)]
        return [nn.BatchNorm1d(width, self.epsilon, self.momentum)]

    def _dropouts(self, num_hidden: int) -> list[float]:
        """Returns one probability per layer, the output layer's last; a single number is for the hidden layers only."""
        if isinstance(self.dropout, Sequence):
            return list(self.dropout)
        return [self.dropout] * num_hidden + [0.0]

    def _check(self, widths: Sequence[int]) -> None:
        model = f"model.{self.player}"
        whole = isinstance(widths, Sequence) and all(isinstance(width, int) and width >= 1 for width in widths)
        require(whole, f"{model}.widths", widths, "a list of whole numbers of at least 1, such as [256,512]")
        require_normalization(self.player, self.normalization, NORMALIZATIONS)
        for setting, choices in {"normalization_position": POSITIONS,
                                 "initialisation": tuple(INITIALISATIONS)}.items():
            value = getattr(self, setting)
            require(value in choices, f"{model}.{setting}", value, "one of " + ", ".join(choices))
        dropouts = self._dropouts(len(widths))
        require(len(dropouts) == len(widths) + 1, f"{model}.dropout", self.dropout,
                f"one number or a list of {len(widths) + 1}, the output layer's last")
        require(all(0 <= drop < 1 for drop in dropouts), f"{model}.dropout", self.dropout, FRACTION)
        require(0 <= self.negative_slope < 1, f"{model}.negative_slope", self.negative_slope, FRACTION)
        require(self.epsilon > 0, f"{model}.epsilon", self.epsilon, "above 0")
        require(0 < self.momentum <= 1, f"{model}.momentum", self.momentum, "above 0 and at most 1")


class FullyConnected(nn.Module):
    """The layers of a fully connected network, [N, inputs] -> [N, outputs].

    player: `generator` or `discriminator`, for messages
    inputs, outputs: numbers that the network reads and writes for each image
    widths: numbers in each hidden layer, 1 or more each
    negative_slope: of LeakyReLU, at least 0 and below 1; 0 is ReLU
    activate_output: puts the activation on the output layer as well
    normalization: none, batch, layer, or of generators virtual_batch, in the hidden layers
    normalization_position: before or after the activation
    normalize_first: normalises the first hidden layer as well
    epsilon: added to the variance, above 0
    momentum: share of a batch's statistics in the running ones, above 0 and at most 1
    dropout: probability after each hidden layer, at least 0 and below 1; or a list, one for each layer with the output
    initialisation: default (torch's), normal or uniform_fan_out
    """

    comparison = Comparison()  # what the output layer is told of the other images of a batch

    def __init__(self, player: str, inputs: int, outputs: int, /,
                 widths: Annotated[Sequence[int], list_of(integer(1))], negative_slope: BelowOne = 0.2,
                 activate_output: bool = False,
                 normalization: Annotated[str, one_of(*NORMALIZATIONS, VIRTUAL_BATCH)] = "none",
                 normalization_position: Annotated[str, one_of(*POSITIONS)] = "before", normalize_first: bool = True,
                 epsilon: Positive = 1e-5, momentum: Annotated[float, number(0, 1, above=True)] = 0.1,
                 dropout: Annotated[float | Sequence[float], either(DROPOUT, list_of(DROPOUT))] = 0.0,
                 initialisation: Annotated[str, one_of(*INITIALISATIONS)] = "default"):
        super().__init__()
        style = _Style(player, negative_slope, activate_output, normalization, normalization_position,
                       normalize_first, epsilon, momentum, dropout, initialisation, self.comparison)
        self.layers = style.layers(inputs, widths, outputs)


class MLPGenerator(FullyConnected):
    """Latents -> hidden layers -> tanh.

    output_activation: tanh, for images in [-1, 1], or none, for any numbers
    more: settings of FullyConnected, from `widths` on
    """

    def __init__(self, latent_dim: Count, channels: Count, image_size: ImageSize,
                 output_activation: OutputActivation = "tanh", **more):
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels})
        sides = sides_of(image_size)
        super().__init__("generator", latent_dim, channels * sides.area, **more)
        self.latent_dim = latent_dim
        self.shape = (channels, *sides)
        self.output_activation = output_activation
        self.image = nn.Sequential(*activation_of_output(output_activation))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, H, W], in [-1, 1] with tanh"""
        return self.image(self.layers(latents)).view(-1, *self.shape)


class FullyConnectedDiscriminator(FullyConnected):
    """A fully connected discriminator. A subclass may put more numbers than the pixels into its first layer.

    minibatch_discrimination: {kernels, dimensions} of minibatch.MinibatchDiscrimination; None: without
    minibatch_stddev: images in a group of minibatch.MinibatchDeviation, 2 or more; None: without
    """

    def __init__(self, channels: Count, image_size: ImageSize, more_numbers: int, /,
                 minibatch_discrimination: Discrimination = None, minibatch_stddev: Group = None, **more):
        require_whole_numbers({"data.channels": channels})
        self.comparison = Comparison(minibatch_discrimination, minibatch_stddev)
        super().__init__("discriminator", channels * sides_of(image_size).area + more_numbers, 1, **more)

    def numbers(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> [N, P + more_numbers]"""
        return images.flatten(1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N]"""
        return self.layers(self.numbers(images, labels)).squeeze(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] -> activations [N, width] of each hidden layer"""
        return outputs_of_each(self.layers[:-1], self.numbers(images, labels))


class MLPDiscriminator(FullyConnectedDiscriminator):
    """Images -> hidden layers -> one logit, without labels. `more`: settings of FullyConnected, from `widths` on."""

    def __init__(self, channels: Count, image_size: ImageSize, **more):
        super().__init__(channels, image_size, 0, **more)
