"""Sends grey images through networks for colours, and colours through networks for grey. N images, h x w pixels."""

from collections.abc import Callable

from torch import Tensor, nn

GREY, COLOUR = 1, 3


def fitted(network: nn.Module, channels: int) -> Callable[[Tensor], Tensor]:
    """Returns the network as a function [N, channels, h, w] -> [N, channels, s*h, s*w]."""
    if network.channels == channels:
        return network
    if (network.channels, channels) == (COLOUR, GREY):
        return lambda low: network(low.expand(-1, COLOUR, -1, -1)).mean(1, keepdim=True)
    if (network.channels, channels) == (GREY, COLOUR):
        return lambda low: network(low.flatten(0, 1)[:, None]).unflatten(0, (-1, COLOUR))[:, :, 0]
    raise ValueError(f"A network of {network.channels} channels cannot take images of {channels}")
