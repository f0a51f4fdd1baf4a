"""Random numbers that are drawn in one pass through a network and used again in a second one."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from saddlepoint.errors import RequestError

DROPOUT = torch.ops.aten.native_dropout.default  # on a GPU; on a CPU dropout is a product with a drawn mask


class KeptDraws(TorchDispatchMode):
    """Keeps what is drawn while this is active, by whichever generator: noise, masks of dropout, augmentations.

    A second pass could also get the first one's numbers from generators that are seeded alike, but a GPU that records
    (trainer.record) cannot seed any in the middle of an update. A kept tensor is an operand like any other.
    """

    def __init__(self):
        super().__init__()
        self.kept: list[tuple[Any, Tensor]] = []  # what drew it, and what it drew

    def __torch_dispatch__(self, function: Any, types: Any, arguments: tuple = (), keywords: dict | None = None) -> Any:
        result = function(*arguments, **(keywords or {}))
        if torch.Tag.nondeterministic_seeded in function.tags:
            _refuse_unknown(function, arguments)
            drawn = result[1] if function is DROPOUT else result
            self.kept.append((function, drawn.clone()))  # dropout on a CPU goes on to scale its mask where it is
        return result

    def again(self) -> "RepeatedDraws":
        """Returns what hands out the same numbers in the same order, once."""
        return RepeatedDraws(iter(self.kept))


class RepeatedDraws(TorchDispatchMode):
    """Hands out what was kept wherever something is drawn while this is active."""

    def __init__(self, kept: Iterator[tuple[Any, Tensor]]):
        super().__init__()
        self.kept = kept

    def __torch_dispatch__(self, function: Any, types: Any, arguments: tuple = (), keywords: dict | None = None) -> Any:
        if torch.Tag.nondeterministic_seeded not in function.tags:
            return function(*arguments, **(keywords or {}))
        drawer, drawn = next(self.kept, (None, None))
        if drawer is not function:
            raise RequestError(f"two passes through a network must draw alike, and the second one calls {function} "
                               f"where the first called {drawer}")
        if function is DROPOUT:
            values, probability, is_training = arguments
            return (values * drawn * (1 / (1 - probability)) if is_training else values.clone()), drawn
        return arguments[0].copy_(drawn) if function._schema.is_mutable else drawn


def _refuse_unknown(function: Any, arguments: tuple) -> None:
    """Raises a RequestError if an operation draws numbers that depend on values, as a second pass has others."""
    name = function._schema.name.removeprefix("aten::")
    given = arguments[function._schema.is_mutable:]
    if function is not DROPOUT and not name.endswith("_like") and any(isinstance(each, Tensor) for each in given):
        raise RequestError(f"two passes through a network must draw the same numbers, and {name}, which one of its "
                           "layers calls, does not tell what it has drawn: let the network use nn.Dropout, or leave "
                           "out the trick=finite_difference")


def position(device: torch.device) -> bytes | int:
    """Returns where torch's global generator of a device stands: another value if anything was drawn meanwhile."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0].get_offset()
    return bytes(torch.default_generator.get_state().numpy())
