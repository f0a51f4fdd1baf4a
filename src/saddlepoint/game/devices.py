"""What a network computes on: the card and its driver, the memory layout that suits it, and the end of its memory."""

import os
import re
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

DRIVER = Path("/proc/driver/nvidia/version")
OF_VOLUMES = 5  # axes of the weights of a convolution of voxels
AMOUNT = r"(\d+(?:\.\d+)? (?:[KMGT]iB|bytes))"  # of memory, as torch writes it


def name_of(device: torch.device) -> str:
    """Returns the card's name, e.g. NVIDIA H100 80GB HBM3; CPU for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def versions_of_cuda(device: torch.device) -> dict[str, str | None]:
    """Returns the versions of driver, CUDA and cuDNN with which the device computes; none for a CPU. What cannot be
    found out is None."""
    if device.type != "cuda":
        return {}
    driver, cudnn = None, torch.backends.cudnn.version()
    with suppress(OSError):
        match = re.search(r"Kernel Module(?: for \S+)?\s+([\d.]+)", DRIVER.read_text(encoding="utf-8"))
        driver = match and match[1]
    return {"driver": driver, "cuda": torch.version.cuda, "cudnn": cudnn and str(cudnn)}


def suits_channels_last(network: nn.Module, device_type: str) -> bool:
    """Returns whether the network is faster if its maps are stored pixel after pixel.

    On a CPU it is. On CUDA a GroupNorm, LayerNorm or InstanceNorm returns its maps channel after channel, so that a
    network which has one would change the layout twice around each.
    """
    return device_type != "cuda" or not any(map(_forces_nchw, network.modules()))


def _forces_nchw(layer: nn.Module) -> bool:
    """Returns whether CUDA's kernel of the layer returns maps channel after channel. A LayerNorm of vectors has no
    maps."""
    return (isinstance(layer, nn.GroupNorm | _InstanceNorm)
            or isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) > 1)


def lay_out(module: nn.Module, channels_last: bool | str, device_type: str) -> None:
    """Stores the weights of a game in the layout of its maps, in place. Games of volumes stay as they are.

    channels_last: true or false for all networks; auto: for each network what suits it on a device of this type
    """
    if any(weight.ndim == OF_VOLUMES for weight in module.parameters()):  # torch's channels_last is one of images
        return
    if channels_last is True or channels_last == "auto" and suits_channels_last(module, device_type):
        module.to(memory_format=torch.channels_last)
    elif channels_last == "auto":
        for network in _networks_in(module):
            if suits_channels_last(network, device_type):
                network.to(memory_format=torch.channels_last)


def _networks_in(module: nn.Module) -> list[nn.Module]:
    """Returns the networks of a game: what has a forward of its own, outermost first found."""
    found = []
    for part in module.children():
        is_network = type(part).forward is not nn.Module.forward  # a trick, an nn.ModuleDict only hold networks
        found += [part] if is_network else _networks_in(part)
    return found


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that memory ran out. On a GPU torch raises an error of its own for that; on the CPU
    it raises a RuntimeError that only differs by its text."""
    texts = ("out of memory", "can't allocate memory", "not enough memory", "_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in texts)


def requested_bytes(error: BaseException) -> int | None:
    """Returns how much memory was asked for when it ran out, if the error says so."""
    match = re.search(rf"[Tt]ried to allocate {AMOUNT}", str(error))
    return match and _bytes(match[1])


def memory_of(device: torch.device, error: BaseException | None = None) -> tuple[int, int]:
    """Returns how many bytes of the device's memory are free, and how many it has; where an error of torch says so, as
    it was then, since the end of training frees memory."""
    match = re.search(rf"total capacity of {AMOUNT} of which {AMOUNT} is free", str(error))
    if match:
        return _bytes(match[2]), _bytes(match[1])
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    page = os.sysconf("SC_PAGE_SIZE")
    return page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES")


def _bytes(amount: str) -> int:
    """Returns the number of bytes that torch writes as 20.00 MiB, or as 2048 bytes."""
    number, _, unit = amount.partition(" ")
    return int(float(number) * 1024 ** "bKMGT".index(unit[:1]))
