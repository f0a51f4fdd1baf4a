"""First weights of networks. Each function fills the weights of all linear layers and convolutions of a network, and
sets their biases to 0, unless it says otherwise."""

import math
from collections.abc import Iterator

from torch import nn

from saddlepoint.networks.virtual_batch import VirtualBatchNorm

_WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_NORMALIZING = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d, VirtualBatchNorm)


def _weighted_layers(network: nn.Module) -> Iterator[nn.Module]:
    return (layer for layer in network.modules() if isinstance(layer, _WEIGHTED))


def _zero_bias(layer: nn.Module) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def normal(network: nn.Module, std: float = 0.02) -> None:
    """Draws weights from N(0, std) and the scales of normalising layers from N(1, std); sets their shifts to 0.

    Radford, Metz and Chintala 2016, section 4, https://arxiv.org/abs/1511.06434; the scales are from its common ports.
    """
    normal_weights(network, std)
    for layer in network.modules():
        if isinstance(layer, _NORMALIZING) and layer.weight is not None:
            nn.init.normal_(layer.weight, 1.0, std)
            nn.init.zeros_(layer.bias)


def normal_weights(network: nn.Module, std: float = 0.02) -> None:
    """Draws weights from N(0, std) and leaves normalising layers as they are."""
    for layer in _weighted_layers(network):
        nn.init.normal_(layer.weight, 0.0, std)
        _zero_bias(layer)


def orthogonal(network: nn.Module) -> None:
    """Draws matrices with orthonormal rows or columns, whichever are fewer: Saxe et al. 2014, section 3,
    https://arxiv.org/abs/1312.6120"""
    for layer in _weighted_layers(network):
        nn.init.orthogonal_(layer.weight)
        _zero_bias(layer)


def uniform_fan_out(network: nn.Module) -> None:
    """Draws weights and biases of linear layers from U(-1/sqrt(n), 1/sqrt(n)), n their outputs (inputs in torch)."""
    for layer in (layer for layer in network.modules() if isinstance(layer, nn.Linear)):
        bound = 1 / math.sqrt(layer.out_features)
        nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.uniform_(layer.bias, -bound, bound)


def he(network: nn.Module) -> None:
    """Draws uniform weights of variance 2 / fan_in: He et al. 2015, eq. 10, https://arxiv.org/abs/1502.01852"""
    for layer in _weighted_layers(network):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        _zero_bias(layer)


def xavier(network: nn.Module, gain: float = 1.0) -> None:
    """Draws uniform weights of variance gain^2 * 2 / (fan_in + fan_out): Glorot and Bengio 2010, eq. 16"""
    for layer in _weighted_layers(network):
        nn.init.xavier_uniform_(layer.weight, gain)
        _zero_bias(layer)
