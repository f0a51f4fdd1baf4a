"""What tests of upscaling networks share: weights that show, and how far an input pixel is felt."""

import torch
from torch import nn


def with_large_weights(network: nn.Module) -> nn.Module:
    """Weights under which every layer shows in the output: the starting ones leave a dense block almost no say."""
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5 / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.1)
    return network.eval()


def farthest_influence(network: nn.Module) -> int:
    """The largest distance, in input pixels to the left or right, at which an input pixel changes the outputs that
    belong to another: by gradient, over all pixels of one multiple, with more room than `receptive_field` claims."""
    network = network.double()
    scale, multiple = network.scale, network.multiple
    middle = (network.receptive_field // multiple + 3) * multiple
    farthest = 0
    for pixel in range(middle, middle + multiple):
        low = torch.rand(1, network.channels, multiple, 2 * middle + multiple, dtype=torch.float64, requires_grad=True)
        network(low)[..., scale * pixel:scale * (pixel + 1)].square().sum().backward()
        felt = low.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        farthest = max(farthest, pixel - felt.min().item(), felt.max().item() - pixel)
    return farthest
