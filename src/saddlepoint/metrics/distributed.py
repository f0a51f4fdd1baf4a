"""Sums over the processes of a job; of one process, the numbers themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as distributed
from torch import Tensor


def place() -> tuple[int, int]:
    """-> the number of this process, and how many there are"""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def summed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor's sum over all processes, on the CPU; all processes must call this together."""
    if place()[1] == 1:
        return tensors
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    moved = {name: tensor.to(device, copy=True) for name, tensor in tensors.items()}
    for tensor in moved.values():
        distributed.all_reduce(tensor)
    return {name: tensor.cpu() for name, tensor in moved.items()}




@contextmanager
def joined() -> Iterator[bool]:
    """Under a launcher such as torchrun, a group of processes for a while; True in the first one, which speaks."""
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized()
    if launched:
        distributed.init_process_group("gloo")
    try:
        yield place()[0] == 0
    finally:
        if launched:
            distributed.destroy_process_group()
