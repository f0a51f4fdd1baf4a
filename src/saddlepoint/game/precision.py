"""In what precision networks compute while they train, and that losses and penalties are float32 all the same."""

import torch
from torch import Tensor


def exact(tensor: Tensor) -> Tensor:
    """Returns the tensor as float32 if it has fewer bits, as under autocast. A mean of numbers of 8 bits of mantissa
    has 8 bits itself, and a sum of 1,000 of them may stand still."""
    if tensor.dtype is torch.float32 or tensor.dtype is torch.float64:
        return tensor
    return tensor.to(torch.float32)
