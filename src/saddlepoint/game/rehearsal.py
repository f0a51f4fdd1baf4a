"""Finds out, while an update is played by its code, what a recording of it would get wrong (recording.py)."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from saddlepoint.game import schedule

if TYPE_CHECKING:
    from saddlepoint.game.adversarial import AdversarialModule
    from saddlepoint.game.recording import Tape

READS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "is_nonzero", "equal")
TORCH = str(Path(torch.__file__).parent)


def states_of(module: "AdversarialModule") -> list[tuple[Any, Any]]:
    """Returns the parts of a game that save something beside tensors, each with what it would save now."""
    return [(part, part.get_extra_state()) for part in module.modules()
            if part is not module and type(part).get_extra_state is not torch.nn.Module.get_extra_state]


def unplayed_states(module: "AdversarialModule", tape: "Tape", before: Sequence[tuple[Any, Any]]) -> list[str]:
    """Returns an obstacle for each part whose state an update changes otherwise than by numbers that it asks for."""
    after = states_of(module)
    for part, state in before:
        part.set_extra_state(state)
    for of, _ in tape.values:
        of(tape.images_seen)
    played = states_of(module)
    for part, state in after:
        part.set_extra_state(state)
    return [f"changes a number of its own in {type(part).__name__}, which a recording would not"
            for (part, state), (_, other) in zip(after, played, strict=True) if state != other]


class Watched(int):
    """Images seen, in a rehearsal: notes who computes with them, as a recording would keep the result."""

    def __new__(cls, value: int, obstacles: list[str]):
        self = super().__new__(cls, value)
        self.obstacles = obstacles
        return self


def _noting(name: str) -> Callable[..., Any]:
    plain = getattr(int, name)

    def method(self: Watched, *arguments: Any) -> Any:
        self.obstacles.append(f"computes with images_seen in {place(sys._getframe(1))}, where step.value(...) or "
                              "step.variant(self) would let it be recorded")
        return plain(self, *arguments)
    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "radd", "rsub", "rmul", "rtruediv",
              "rfloordiv", "rmod", "rdivmod", "rpow", "lt", "le", "gt", "ge", "eq", "ne", "hash", "neg", "abs", "float",
              "int", "index", "bool", "and", "or", "xor", "lshift", "rshift", "rlshift"):
    setattr(Watched, f"__{_name}__", _noting(f"__{_name}__"))


class Watch(TorchDispatchMode):
    """Notes the operations for which the host would wait for the device, or that bring a number to it."""

    def __init__(self, device: torch.device, obstacles: list[str]):
        super().__init__()
        self.device, self.obstacles = device, obstacles

    def __torch_dispatch__(self, function: Any, types: Any, arguments: tuple = (), keywords: dict | None = None) -> Any:
        result = function(*arguments, **(keywords or {}))
        name = function._schema.name.removeprefix("aten::")
        if name in READS or name.startswith("unique"):
            self.obstacles.append(f"reads a number of the device in {place(sys._getframe(1))}")
        elif name.startswith("index") and any(isinstance(each, Tensor) and each.dtype is torch.bool
                                              for each in tree_leaves(arguments[1:2])):
            self.obstacles.append(f"chooses rows by a mask in {place(sys._getframe(1))}, so their number is not known")
        elif self.device.type != "cpu" and any(isinstance(each, Tensor) and each.is_cpu and each.numel()
                                               for each in tree_leaves((arguments, keywords, result))):
            self.obstacles.append(f"copies between host and device in {place(sys._getframe(1))}")
        return result


def place(frame: FrameType | None) -> str:
    """Returns where code of a game is at work: the first caller that belongs neither to torch nor to a schedule nor to
    this file."""
    while frame and (frame.f_code.co_filename in (__file__, schedule.__file__)
                     or frame.f_code.co_filename.startswith(TORCH)):
        frame = frame.f_back
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})" if frame else "torch"
