"""Copies between the host and a GPU for which neither waits, and how much memory a device has left."""

from pathlib import Path

import torch
from torch import Tensor

from saddlepoint.environment import jobs_on_gpu

CUDA_ITSELF = 640 * 2**20  # bytes that CUDA, its kernels and libraries take of a GPU for each process, about
MEMINFO = Path("/proc/meminfo")  # Linux's


def free_bytes(device: torch.device) -> int | None:
    """Returns how many bytes a device has free: of a GPU those of nobody, and those that torch keeps for later tensors,
    up to this job's share of it; of the machine those that a process can get without swapping. None if that is not
    known."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        allocated, jobs = torch.cuda.memory_allocated(device), jobs_on_gpu()
        free += torch.cuda.memory_reserved(device) - allocated
        return free if jobs == 1 else max(0, min(free, share(total, jobs) - allocated))
    if device.type != "cpu" or not MEMINFO.exists():
        return None
    with MEMINFO.open(encoding="ascii") as lines:
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def share(total: int, jobs: int) -> int:
    """Returns how many bytes of a GPU's `total` the tensors of each of so many jobs may fill: 0 or less if there is no
    room for them beside what CUDA itself takes for each process."""
    return total // jobs - CUDA_ITSELF


def fits(num_bytes: int, device: torch.device) -> bool:
    """Returns whether a device may keep so many bytes for long: on a GPU they may fill half of its free memory."""
    return device.type != "cuda" or num_bytes <= free_bytes(device) // 2


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a tensor on a device. A copy to a GPU goes through pinned memory, and the host does not wait for it."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)  # one with gaps would be waited for


class Download:
    """A copy of a tensor to the host, which begins here and may still go on. A tensor of the host is not copied."""

    def __init__(self, tensor: Tensor):
        self._tensor, self._copied = tensor, None
        if tensor.is_cuda:
            pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._tensor = pinned.copy_(tensor.contiguous(), non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(tensor.device))
        elif tensor.device.type == "mps":
            self._tensor = tensor.cpu()

    def wait(self) -> Tensor:
        """Returns the tensor on the host, as soon as all of it is there."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._tensor
