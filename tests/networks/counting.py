"""What several tests of networks ask of a module."""

from torch import nn


def trainable(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def layer_names(network: nn.Module) -> list[str]:
    """the classes of the layers that compute, in the order they run"""
    return [type(layer).__name__ for layer in network.modules() if not list(layer.children())]
