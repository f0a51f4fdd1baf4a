"""Chooses the type of number in which a network enlarges pictures: half precision where a GPU is fast in it."""

from typing import NamedTuple

import torch

from saddlepoint.errors import RequestError

PRECISIONS = {torch.float32: "32", torch.float16: "16", torch.bfloat16: "bf16"}  # as they are typed
FAST_IN_16 = (7, 0)  # compute capability of the first GPUs with units for products of float16
KNOWS_BF16 = (8, 0)


class Precision(NamedTuple):
    """The types of number in which images are enlarged."""

    of_bytes: torch.dtype  # images of 8 bits
    of_others: torch.dtype  # images of 16 bits or of floating-point numbers, which are finer than half precision

    def of(self, dtype: torch.dtype) -> torch.dtype:
        """Returns the type in which images of type `dtype` are enlarged."""
        return self.of_bytes if dtype == torch.uint8 else self.of_others

    def __str__(self) -> str:
        names = [PRECISIONS[dtype] for dtype in self]
        return names[0] if names[0] == names[1] else f"{names[0]} (of pictures of 16 bits {names[1]})"


FLOAT32 = Precision(torch.float32, torch.float32)


def chosen_precision(typed: str | int, device: torch.device) -> Precision:
    """Returns the precision that precision=auto, 32, 16 or bf16 means on a device. Raises a RequestError if the device
    is too slow in it or does not know it."""
    if typed == "auto":
        fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= FAST_IN_16
        return Precision(torch.float16, torch.float32) if fast else FLOAT32
    dtype = {name: dtype for dtype, name in PRECISIONS.items()}[str(typed)]
    if dtype != torch.float32 and device.type != "cuda":
        raise RequestError(f"precision={typed} is for GPUs, and this is a CPU, where it would be slower than 32 bits: "
                           "type precision=32 or leave precision= out")
    if dtype == torch.bfloat16 and (found := torch.cuda.get_device_capability(device)) < KNOWS_BF16:
        raise RequestError(f"precision=bf16 needs a GPU of compute capability 8.0 or more, and "
                           f"{torch.cuda.get_device_name(device)} has {found[0]}.{found[1]}: type precision=16 or "
                           "precision=32")
    return Precision(dtype, dtype)
