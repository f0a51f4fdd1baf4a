"""What several tests of networks ask of a module."""

from torch import nn


def trainable(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def running_statistics(network: nn.Module) -> int:
    """running means and variances; how many batches they are of is not counted"""
    return sum(values.numel() for name, values in network.named_buffers() if name.endswith(("_mean", "_var")))


def layer_names(network: nn.Module) -> list[str]:
    """the classes of the layers that compute, in the order they run"""
    return [type(layer).__name__ for layer in network.modules()
            if not list(layer.children()) and not isinstance(layer, nn.Sequential)]
