"""Networks put into a state for a while, and back into the one they had; and where they are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from saddlepoint.errors import RequestError


@contextmanager
def evaluating(network: nn.Module, really: bool = True) -> Iterator[nn.Module]:
    """The network in evaluation mode, then each layer as it was; unless `really`, as it is."""
    modes = [(layer, layer.training) for layer in network.modules()] if really else []
    if really:
        network.eval()
    try:
        yield network
    finally:
        for layer, training in modes:
            layer.training = training


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """A loss flows through these parameters without leaving gradients there."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def device_of(network: nn.Module) -> torch.device:
    return next(chain(network.parameters(), network.buffers())).device


def device_named(device: str) -> torch.device:
    """device=auto, cpu or gpu"""
    if device == "gpu" and not torch.cuda.is_available():
        raise RequestError("device=gpu: torch finds no GPU here: type device=cpu or device=auto")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
