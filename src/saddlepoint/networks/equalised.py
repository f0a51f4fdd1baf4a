"""Layers with an equalised learning rate: weights are N(0, 1) and are scaled when they are used, so that Adam's steps,
which do not depend on the scale of a gradient, change all layers equally fast.

Karras et al. 2018, section 4.1, https://arxiv.org/abs/1710.10196.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of leaky ReLU below 0
GAIN = math.sqrt(2)  # behind leaky ReLU: keeps the mean square of N(0, 1) numbers, but for the slope


def activated(values: Tensor) -> Tensor:
    """Returns leaky ReLU of the values, times sqrt(2)."""
    return F.leaky_relu(values, SLOPE) * GAIN


class EqualisedLinear(nn.Module):
    """A linear layer of weights w / (sqrt(inputs)), w ~ N(0, 1) at the start.

    inputs, outputs: 1 or more
    bias: its first value; None: without one
    rate: above 0; how much faster than others the layer learns: w is drawn from N(0, 1 / rate^2) and scaled by it
    """

    def __init__(self, inputs: int, outputs: int, bias: float | None = 0.0, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, values: Tensor) -> Tensor:
        """values [N, inputs] -> [N, outputs]"""
        return F.linear(values, self.weight * self.scale, None if self.bias is None else self.bias * self.rate)


class EqualisedConvolution(nn.Module):
    """A convolution of weights w / sqrt(inputs * kernel_size^2), w ~ N(0, 1) at the start.

    padding: 0 or more; None: so many that the side stays, of an odd kernel_size
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, bias: bool = True, stride: int = 1,
                 padding: int | None = None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.stride = 1 / math.sqrt(inputs * kernel_size**2), stride
        self.padding = kernel_size // 2 if padding is None else padding

    def forward(self, maps: Tensor) -> Tensor:
        """maps [N, inputs, H, W] -> [N, outputs, ...]"""
        return F.conv2d(maps, self.weight * self.scale, self.bias, self.stride, self.padding)


def unit_length(vectors: Tensor) -> Tensor:
    """vectors [N, D] -> the same with a mean square of 1 each"""
    return vectors * (vectors.square().mean(1, keepdim=True) + 1e-8).rsqrt()
