"""A device that records on the CPU, as a GPU does with CUDA graphs: the operations, with the memory they work in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def tensors(tree: Any) -> list[Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, Tensor)]


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class Operations(TorchDispatchMode):
    """Keeps all operations, and what memory they found that none of them has made."""

    def __init__(self):
        super().__init__()
        self.operations: list[tuple[Callable, tuple, dict, Any]] = []
        self.made: dict[int, Tensor] = {}
        self.found: dict[int, Tensor] = {}

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        given = tensors((arguments, keywords))
        self.found |= {memory(each): each for each in given if memory(each) not in self.made}
        result = function(*arguments, **keywords)
        known = {memory(each) for each in given}
        self.made |= {memory(each): each for each in tensors(result) if memory(each) not in known}
        if not all(memory(each) in known for each in tensors(result)) or function._schema.is_mutable:
            self.operations.append((function, arguments, keywords, result))
        return result


class OnCPU:
    """static: returns all tensors that keep their place from step to step; only these may a recording find, beside what
    it makes itself"""

    def __init__(self, static: Callable[[], Sequence[Tensor]]):
        self.static, self.recorded, self.played = static, 0, 0
        self.kept: dict[int, Tensor] = {}  # memory of earlier recordings: G's update may go on with what D's made

    @contextmanager
    def working(self) -> Iterator[None]:
        yield

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        with Operations() as kept:
            work()
        places = {memory(each) for each in self.static()} | self.kept.keys()
        odd = [each for place, each in kept.found.items() if place not in places]
        assert not odd, f"a recording would read memory that is not kept: {[(tuple(o.shape), o.dtype) for o in odd]}"
        self.kept |= kept.made
        self.recorded += 1
        return lambda: self.play(kept)

    @torch.no_grad()
    def play(self, kept: Operations) -> None:
        self.played += 1
        for function, arguments, keywords, result in kept.operations:
            again = function(*arguments, **keywords)
            for old, new in zip(tensors(result), tensors(again), strict=True):
                if memory(old) != memory(new):
                    old.detach().copy_(new)
