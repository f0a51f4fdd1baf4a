"""Fully connected networks: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661

N images of C channels and S x S pixels, P = C S^2 numbers each. Public fully connected GANs agree on little: where
the normalisation stands, what is dropped, whether the output is activated. Each of these is a setting here, which is
why one constructor is long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.rules import BelowOne, Count, Positive, either, integer, list_of, number, one_of
from saddlepoint.networks.initialisation import normal, uniform_fan_out
from saddlepoint.networks.layers import activation, outputs_of_each

INITIALISATIONS = {"default": lambda network: None, "normal": normal, "uniform_fan_out": uniform_fan_out}
NORMALIZATIONS = ("none", "batch", "layer")  # no `instance`: a vector has one value per channel, always its own mean
POSITIONS = ("before", "after")
DROPOUT = number(0, 1, below=True)


@dataclass(frozen=True)
class _Style:
    """How the layers of one network look: linear [norm] activation [norm] [dropout], the output never normalised."""

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

    def layers(self, inputs: int, widths: Sequence[int], outputs: int) -> nn.Sequential:
        """One block per layer, the output layer's last."""
        self._check(widths)
        drops = self._drops(len(widths))
        network = nn.Sequential()
        for index, (before, after) in enumerate(zip([inputs, *widths], [*widths, outputs], strict=True)):
            hidden = index < len(widths)
            normalized = self._normalized(after) if hidden and (index or self.normalize_first) else []
            activated = [activation(self.negative_slope)] if hidden or self.activate_output else []
            dropped = [nn.Dropout(drops[index])] if drops[index] else []
            middle = normalized + activated if self.normalization_position == "before" else activated + normalized
            network.append(nn.Sequential(nn.Linear(before, after), *middle, *dropped))
        INITIALISATIONS[self.initialisation](network)
        return network

    def _normalized(self, width: int) -> list[nn.Module]:
        if self.normalization == "none":
            return []
        if self.normalization == "layer":
            return [nn.LayerNorm(width, self.epsilon)]
        return [nn.BatchNorm1d(width, self.epsilon, self.momentum)]

    def _drops(self, num_hidden: int) -> list[float]:
        """one probability per layer, the output layer's last; a single number is for the hidden layers only"""
        if isinstance(self.dropout, Sequence):
            return list(self.dropout)
        return [self.dropout] * num_hidden + [0.0]

    def _check(self, widths: Sequence[int]) -> None:
        model = f"model.{self.player}"
        whole = isinstance(widths, Sequence) and all(isinstance(width, int) and width >= 1 for width in widths)
        require(whole, f"{model}.widths", widths, "a list of whole numbers of at least 1, such as [256,512]")
        for setting, choices in {"normalization": NORMALIZATIONS, "normalization_position": POSITIONS,
                                 "initialisation": tuple(INITIALISATIONS)}.items():
            value = getattr(self, setting)
            require(value in choices, f"{model}.{setting}", value, "one of " + ", ".join(choices))
        drops = self._drops(len(widths))
        require(len(drops) == len(widths) + 1, f"{model}.dropout", self.dropout,
                f"one number or a list of {len(widths) + 1}, the output layer's last")
        require(all(0 <= drop < 1 for drop in drops), f"{model}.dropout", self.dropout, FRACTION)
        require(0 <= self.negative_slope < 1, f"{model}.negative_slope", self.negative_slope, FRACTION)
        require(self.epsilon > 0, f"{model}.epsilon", self.epsilon, "above 0")
        require(0 < self.momentum <= 1, f"{model}.momentum", self.momentum, "above 0 and at most 1")


class FullyConnected(nn.Module):
    """The layers of one network [N, inputs] -> [N, outputs] and every setting they have, the same for all networks.

    widths: of the hidden layers, 1 or more each
    negative_slope: of LeakyReLU, 0 (ReLU) up to 1
    activate_output: whether the last layer has LeakyReLU too
    normalization: none, batch or layer
    normalization_position: before or after the activation
    normalize_first: whether the first hidden layer is normalised
    epsilon: above 0, added to the variance
    momentum: above 0 to 1, the weight of the newest batch in the running statistics
    dropout: probability, 0 up to 1: of every hidden layer, or a list with one for each layer, the output layer's last
    initialisation: default (torch's), normal or uniform_fan_out
    """

    def __init__(self, player: str, inputs: int, outputs: int, /,
                 widths: Annotated[Sequence[int], list_of(integer(1))], negative_slope: BelowOne = 0.2,
                 activate_output: bool = False, normalization: Annotated[str, one_of(*NORMALIZATIONS)] = "none",
                 normalization_position: Annotated[str, one_of(*POSITIONS)] = "before", normalize_first: bool = True,
                 epsilon: Positive = 1e-5, momentum: Annotated[float, number(0, 1, above=True)] = 0.1,
                 dropout: Annotated[float | Sequence[float], either(DROPOUT, list_of(DROPOUT))] = 0.0,
                 initialisation: Annotated[str, one_of(*INITIALISATIONS)] = "default"):
        super().__init__()
        style = _Style(player, negative_slope, activate_output, normalization, normalization_position,
                       normalize_first, epsilon, momentum, dropout, initialisation)
        self.layers = style.layers(inputs, widths, outputs)


class MLPGenerator(FullyConnected):
    """latents -> hidden layers of the given widths -> tanh"""

    def __init__(self, latent_dim: Count, channels: Count, image_size: Count, **more):
        require_whole_numbers({"model.latents.size": latent_dim, "data.channels": channels,
                               "data.image_size": image_size})
        super().__init__("generator", latent_dim, channels * image_size**2, **more)
        self.latent_dim = latent_dim
        self.shape = (channels, image_size, image_size)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> images [N, C, S, S] in [-1, 1]"""
        return torch.tanh(self.layers(latents)).view(-1, *self.shape)


class FullyConnectedDiscriminator(FullyConnected):
    """What a discriminator shows of its layers; `numbers` says what goes into them."""

    def __init__(self, channels: Count, image_size: Count, more_numbers: int, /, **more):
        require_whole_numbers({"data.channels": channels, "data.image_size": image_size})
        super().__init__("discriminator", channels * image_size**2 + more_numbers, 1, **more)

    def numbers(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S], labels [N] -> [N, P + more_numbers]"""
        return images.flatten(1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, S, S], labels [N] -> logits [N]"""
        return self.layers(self.numbers(images, labels)).squeeze(1)

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, S, S], labels [N] -> activations [N, width] of each hidden layer"""
        return outputs_of_each(self.layers[:-1], self.numbers(images, labels))


class MLPDiscriminator(FullyConnectedDiscriminator):
    """images -> hidden layers of the given widths -> one logit, activated and dropped only if the settings say so;
    labels are ignored"""

    def __init__(self, channels: Count, image_size: Count, **more):
        super().__init__(channels, image_size, 0, **more)
