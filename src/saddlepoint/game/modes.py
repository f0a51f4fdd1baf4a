"""Networks in evaluation mode or without gradients for a while, and the devices they are on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from saddlepoint.errors import RequestError


@contextmanager
def evaluating(network: nn.Module, active: bool = True) -> Iterator[nn.Module]:
    """Yields the network in evaluation mode, then gives each layer its mode back. Changes nothing unless `active`."""
    modes = [(layer, layer.training) for layer in network.modules()] if active else []
    if active:
        network.eval()
    try:
        yield network
    finally:
        for layer, training in modes:
            layer.training = training


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Switches the gradients of these parameters off for a while; losses still differentiate through them."""
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
    """Returns the device that device=auto, cpu or gpu names; refuses gpu where torch finds none."""
    if device == "gpu" and not torch.cuda.is_available():
        raise RequestError("device=gpu: torch finds no GPU here: type device=cpu or device=auto")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
