"""Cards, layouts and the end of memory. What only a GPU has is stood in for."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.game import devices, modes
from saddlepoint.game.devices import is_out_of_memory, lay_out, requested_bytes, suits_channels_last

CPU = torch.device("cpu")
CARD = torch.device("cuda", 0)


def with_norm(*norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), *norm, nn.Conv2d(4, 2, 3))


NORMS = {"none": (), "batch": (nn.BatchNorm2d(4),), "group": (nn.GroupNorm(2, 4),), "instance": (nn.InstanceNorm2d(4),),
         "layer": (nn.LayerNorm([4, 6, 6]),), "layer of vectors": (nn.LayerNorm(6),)}
FORCES_NCHW = {"group", "instance", "layer"}


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_is_channels_last_unless_a_norm_of_cuda_would_change_it_back(norm):
    network = with_norm(*NORMS[norm])
    assert suits_channels_last(network, "cpu")
    assert suits_channels_last(network, "cuda") == (norm not in FORCES_NCHW)


class Trick(nn.Module):
    """Holds a copy of a network, as a moving average does, and has no forward itself"""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.average = copy.deepcopy(network)


def is_channels_last(network: nn.Module) -> list[bool]:
    return [parameter.is_contiguous(memory_format=torch.channels_last) and not parameter.is_contiguous()
            for parameter in network.parameters() if parameter.ndim == 4]


@pytest.mark.parametrize(("setting", "device", "generator", "discriminator"), [
    ("auto", "cpu", True, True), ("auto", "cuda", False, True), (True, "cuda", True, True),
    (False, "cpu", False, False)])
def test_each_network_of_a_game_and_its_average_has_its_own_layout(setting, device, generator, discriminator):
    game = nn.Module()
    game.generator = nn.ModuleDict({"generator": with_norm(nn.InstanceNorm2d(4)), "encoder": with_norm()})
    game.discriminator = with_norm(nn.BatchNorm2d(4))
    game.tricks = nn.ModuleDict({"ema": Trick(game.generator)})
    lay_out(game, setting, device)
    for networks in (game.generator, game.tricks["ema"].average):
        assert set(is_channels_last(networks["generator"])) == {generator}
        assert set(is_channels_last(networks["encoder"])) == {discriminator}
    assert set(is_channels_last(game.discriminator)) == {discriminator}


@pytest.mark.parametrize(("error", "requested"), [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB"),
     2.5 * 2**30),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), 20 * 2**20),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
                  "to allocate 4000000000000 bytes. Error code 12"), 4e12),
    (MemoryError(), None)])
def test_what_was_asked_for_is_read_from_the_error(error, requested):
    assert is_out_of_memory(error) and requested_bytes(error) == requested


def test_what_was_free_is_read_from_the_error_too():
    text = ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB of which 4.50 "
            "MiB is free. Including non-PyTorch memory, this process has 23.63 GiB memory in use.")
    assert devices.memory_of(CARD, torch.OutOfMemoryError(text)) == (4.5 * 2**20, int(79.11 * 2**30))


def test_an_error_of_this_torch_is_known():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value) and requested_bytes(raised.value) == 2**60


def test_another_error_is_no_end_of_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_the_machines_memory_is_that_of_the_system():
    free, total = devices.memory_of(CPU)
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert total == int(lines["MemTotal"].split()[0]) * 1024 and 0 < free < total


@pytest.mark.parametrize(("line", "version"), [
    ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024", "550.54.15"),
    ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build  (dvs-builder)", "570.86.10"),
    ("something else", None), (None, None)])
def test_the_driver_is_read_from_what_it_says_to_the_system(line, version, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "version")
    if line:
        devices.DRIVER.write_text(line + "\nGCC version:  gcc version 12.2.0\n")
    assert devices.versions_of_cuda(CARD)["driver"] == version and devices.versions_of_cuda(CPU) == {}


def test_a_cpu_is_called_cpu():
    assert devices.name_of(CPU) == "CPU"


@pytest.mark.parametrize(("environment", "chosen"), [
    ({}, torch.device("cuda")),
    ({"WORLD_SIZE": "4", "LOCAL_RANK": "1"}, torch.device("cuda", 1)),
    ({"WORLD_SIZE": "4", "LOCAL_RANK": "3"}, torch.device("cuda", 1))])  # two GPUs for four processes
def test_a_process_of_torchrun_takes_a_gpu_of_its_own(environment, chosen, monkeypatch):
    current = []
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    assert modes.device_named("auto") == modes.device_named("gpu") == chosen
    assert set(current) == ({chosen} if environment else set())
    assert modes.device_named("cpu") == CPU


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="device=gpu: torch finds no GPU here: type device=cpu or device=auto"):
        modes.device_named("gpu")
