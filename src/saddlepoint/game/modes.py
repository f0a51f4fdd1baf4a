"""Networks in evaluation mode or without gradients for a while, what is on in training steps only, the devices they
are on, and how exactly a GPU multiplies."""

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.game.networks import KeepsStatistics

if TYPE_CHECKING:
    from saddlepoint.game.players import Players


@contextmanager
def evaluating(network: nn.Module, active: bool = True) -> Iterator[nn.Module]:
    """Yields the network in evaluation mode, then gives each layer its mode back. Changes nothing unless `active`.

    Its weights must not change meanwhile: what it computes of them alone is computed once (KeepsStatistics)."""
    modes = [(layer, layer.training) for layer in network.modules()] if active else []
    kept = [layer for layer, _ in modes if isinstance(layer, KeepsStatistics) and not layer.keeps]
    if active:
        network.eval()
    for layer in kept:
        layer.keep(True)
    try:
        yield network
    finally:
        for layer, training in modes:
            layer.training = training
        for layer in kept:
            layer.keep(False)


def finished(network: nn.Module) -> nn.Module:
    """Returns a network that is trained no more, in evaluation mode and without gradients."""
    for layer in network.requires_grad_(False).eval().modules():
        if isinstance(layer, KeepsStatistics):
            layer.keep(True)
    return network


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


class Switch(Protocol):
    """What changes how a network computes while it is active."""

    is_active: bool


def switch_on_in_steps(module: "Players", switches: Sequence[Switch]) -> None:
    """Activates the switches for the length of each training step of a game. What looks finds them inactive."""
    step = module.training_step

    @functools.wraps(step)
    def training_step(*arguments: Any) -> Any:
        before = [switch.is_active for switch in switches]  # a step that is made again may be inside another
        for switch in switches:
            switch.is_active = True
        try:
            return step(*arguments)
        finally:
            for switch, was_active in zip(switches, before, strict=True):
                switch.is_active = was_active

    module.training_step = training_step


@contextmanager
def switched_off(switch: Switch | None) -> Iterator[None]:
    """Deactivates a switch, if there is one, for the length of the block."""
    if switch is None:
        yield
        return
    before, switch.is_active = switch.is_active, False
    try:
        yield
    finally:
        switch.is_active = before


def device_of(network: nn.Module) -> torch.device:
    return next(chain(network.parameters(), network.buffers())).device


def device_named(device: str) -> torch.device:
    """Returns the device that device=auto, cpu or gpu names; refuses gpu where torch finds none.

    Of several processes that torchrun started on a machine, each takes a GPU of its own, which becomes torch's current
    one, so that no process opens a context on another's. Where there are fewer GPUs than processes, they are shared.
    """
    if device == "gpu" and not torch.cuda.is_available():
        raise RequestError("device=gpu: torch finds no GPU here: type device=cpu or device=auto")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return torch.device("cuda")
    own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    torch.cuda.set_device(own)
    return own


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Lets an NVIDIA GPU round the factors of float32 products to TF32, or not, for the length of the block.

    TF32 keeps 10 of the 23 bits of a mantissa and is several times faster. Unless it is told otherwise, torch has it on
    in convolutions and off in matrix products. It changes nothing on a CPU.

    Both of torch's ways to say so are set, as torch raises an error where one of them is read and they differ.
    """
    cuda, cudnn, mkldnn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    holders = (cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul)
    before, of_products = [each.fp32_precision for each in holders], None
    with suppress(RuntimeError):  # torch's older way cannot say what was set in the newer one
        of_products = torch.get_float32_matmul_precision()
    try:
        cuda.matmul.allow_tf32 = cudnn.allow_tf32 = allowed
        for each, precision in zip(holders, [*["tf32" if allowed else "ieee"] * 3, "none"], strict=True):
            each.fp32_precision = precision
        yield
    finally:
        if of_products:
            torch.set_float32_matmul_precision(of_products)
        cudnn.allow_tf32 = before[1] == "tf32"
        for each, precision in zip(holders, before, strict=True):
            each.fp32_precision = precision


def exact_float32() -> AbstractContextManager[None]:
    """Switches TF32 off for the length of the block: what is measured must not depend on the card."""
    return tf32(False)


def is_under_autocast(device: torch.device) -> bool:
    """Returns whether operations on a device choose their precision themselves (torch.autocast)."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


@contextmanager
def in_float32(device: torch.device) -> Iterator[None]:
    """Computes in exact float32 on a device for a while, whatever precision the code around it chose."""
    with exact_float32(), torch.autocast(device.type, enabled=False) if is_under_autocast(device) else nullcontext():
        yield
