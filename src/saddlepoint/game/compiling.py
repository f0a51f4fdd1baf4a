"""Compiled networks (trainer.compile): training steps call code that torch.compile makes of them, and nothing else.

What looks (grids, scores, health) calls the same networks in evaluation mode, with other batch sizes. It would wait for
code of its own, and its numbers would change. So outside a training step networks are called as they are.
"""

import copy
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch._dynamo import config as of_tracing
from torch._functorch import config as of_gradients
from torch._inductor import config as of_code

from saddlepoint.game.modes import switch_on_in_steps
from saddlepoint.game.networks import METHODS, called_in_training

if TYPE_CHECKING:
    from saddlepoint.game.players import Players

# Of one network's code: it is trained or frozen, with gradients or without, for each size and layout of its inputs.
VARIANTS = 64
LONG_SECONDS = 3.0  # of compiling; what takes longer is told


class Compiled:
    """What calls a network in its stead: compiled code in training steps, else the network as it is.

    It takes the place that nn.Module has for compiled code, so that state dicts and copies of the network know nothing
    of it. torch's own way to leave compiled code for a while, torch.compiler.set_stance, takes 30 us each time and
    concerns the whole process.

    name: of the network
    backend: of torch.compile, by name
    tell: is called with sentences about what takes long, or cannot be compiled
    """

    def __init__(self, name: str, network: nn.Module, backend: str, tell: Callable[[str], None]):
        self.name, self.network, self.tell, self.is_active = name, network, tell, False
        self.backend = torch._dynamo.lookup_backend(backend)
        self.graphs = 0
        self.frames: set[int] = set()  # pieces of Python whose code was compiled: one, and another after each break
        # The code of a class's forward is its own; nn.Module's call is that of all classes, and serves hooks.
        is_plain = "forward" not in vars(network) and not (
            network._forward_hooks or network._forward_pre_hooks or network._backward_hooks)
        self.forward = self.compiled(network.forward if is_plain else network._call_impl, self.frames)
        self.functions: dict[Callable, Callable] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return (self.forward if self.is_active else self.network._call_impl)(*arguments, **named)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns function(network, *arguments), by compiled code. Raises torch's error if that breaks into parts."""
        if function not in self.functions:
            self.functions[function] = self.compiled(functools.partial(function, self.network), set(), fullgraph=True)
        return self.functions[function](*arguments)

    def compiled(self, function: Callable, frames: set[int], fullgraph: bool = False) -> Callable:
        """Returns the function as compiled code; `frames` will have the pieces into which it breaks."""
        return torch.compile(function, dynamic=False, fullgraph=fullgraph,
                             backend=functools.partial(self._compile_graph, frames))

    def _compile_graph(self, frames: set[int], graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> Callable:
        started = time.perf_counter()
        code = self.backend(graph, inputs)
        self.graphs += 1
        if (seconds := time.perf_counter() - started) > LONG_SECONDS:
            self.tell(f"compiled {self.name}, graph {self.graphs}, in {seconds:.0f} s")
        frame = torch._guards.CompileContext.current_compile_id().frame_id
        if frame not in frames and len(frames) == 1:
            reasons = [*torch._dynamo.utils.counters["graph_break"]]
            self.tell(f"{self.name} is compiled in parts, and not as fast as in one, as torch.compile cannot follow "
                      f"all of its code{': ' + first_line(reasons[-1]) if reasons else ''}")
        frames.add(frame)
        return code


class _Method:
    """A method of a network that is called by compiled code in training steps."""

    def __init__(self, code: Compiled, name: str):
        self.code, self.method = code, getattr(code.network, name)
        self.compiled = code.compiled(self.method, set())

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        is_compiled = self.code.is_active and not torch.compiler.is_compiling()
        return (self.compiled if is_compiled else self.method)(*arguments, **named)

    def __deepcopy__(self, memo: dict) -> Callable:
        return copy.deepcopy(self.method, memo)


def first_line(text: object) -> str:
    """Returns the first line of one of torch's messages that says something. They go on with advice for developers."""
    lines = (line.strip() for line in str(text).splitlines())
    return next((line for line in lines if line and not line.endswith("raised:")), "")


def compiled_code_of(network: nn.Module) -> Compiled | None:
    """Returns what calls the network in its stead; None where networks are not compiled."""
    code = network._compiled_call_impl
    return code if isinstance(code, Compiled) else None


def compile_networks(module: "Players", backend: str, tell: Callable[[str], None]) -> None:
    """Lets the training steps of a game call its networks by compiled code, which is made when it is first needed."""
    torch._dynamo.reset()  # code of another game in this process would count among the variants
    codes = [Compiled(part, each, backend, tell) for name, network in module.networks.items()
             for part, each in called_in_training(network, name).items()]
    for code in codes:
        code.network._compiled_call_impl = code
        for name in METHODS:
            if hasattr(code.network, name):
                setattr(code.network, name, _Method(code, name))
    switch_on_in_steps(module, codes)


@contextmanager
def torchs_settings(retains_graphs: bool) -> Iterator[None]:
    """Sets torch's compiler for the length of the block.

    retains_graphs: whether two backward passes go through one graph (model.turns.order=simultaneous)
    """
    with ExitStack() as stack:
        for change in (of_tracing.patch(recompile_limit=VARIANTS),
                       of_gradients.patch(donated_buffer=not retains_graphs),  # True: backward overwrites its graph
                       of_code.patch(fallback_random=True)):  # dropout draws the numbers that it draws uncompiled
            stack.enter_context(change)
        yield
