"""In what precision networks compute while they train (bf16.generator, bf16.discriminator). Losses and penalties are
float32 all the same."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from saddlepoint.config.rules import as_typed
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import switch_on_in_steps
from saddlepoint.game.networks import METHODS, PLAYERS, HasStages, called_in_training, networks_of

if TYPE_CHECKING:
    from saddlepoint.game.players import Players


def exact(tensor: Tensor) -> Tensor:
    """Returns the tensor as float32 if it has fewer bits, as under autocast. A mean of numbers of 8 bits of mantissa
    has 8 bits itself."""
    if tensor.dtype is torch.float32 or tensor.dtype is torch.float64:
        return tensor
    return tensor.to(torch.float32)


class Bfloat16:
    """Lets a network, or stages of it, compute in bfloat16 while this is active. Autocast casts inputs and weights of
    convolutions and matrix products; weights, and what leaves a stage, are float32."""

    is_active = False

    def __init__(self, network: nn.Module, stages: Sequence[int] | None = None):
        """network: has the attribute `stages` (HasStages) unless all of it computes in bfloat16; stages: their numbers,
        from 0 at the input, or from -1 at the output; None: all of the network"""
        if stages is None:
            for name in ("forward", *(name for name in METHODS if hasattr(network, name))):
                setattr(network, name, _InBfloat16(self, network, name, is_last=True))
        for number in stages or ():
            layers = layers_of(network.stages[number])
            for layer in layers:
                layer.forward = _InBfloat16(self, layer, "forward", is_last=layer is layers[-1])
        network.precision_in_steps = self


def layers_of(stage: nn.Module | Sequence[nn.Module]) -> list[nn.Module]:
    """Returns the layers of a stage, which may be one of itself."""
    return [stage] if isinstance(stage, nn.Module) else [*stage]


class _InBfloat16:
    """A method of a network or of a layer, in bfloat16 while `switch` is active."""

    def __init__(self, switch: Bfloat16, module: nn.Module, name: str, is_last: bool):
        self.switch, self.method, self.is_last = switch, getattr(module, name), is_last

    def __call__(self, values: Tensor, *more: Any, **named: Any) -> Any:
        if not self.switch.is_active:
            return self.method(values, *more, **named)
        with torch.autocast(values.device.type, torch.bfloat16, cache_enabled=False):  # a weight is used once
            outputs = self.method(values, *more, **named)
        return tree_map_only(Tensor, exact, outputs) if self.is_last else outputs

    def __deepcopy__(self, memo: dict) -> Callable:
        return copy.deepcopy(self.method, memo)


def precision_of(network: nn.Module) -> Bfloat16 | None:
    """Returns what switches the network's precision; None where all of it is computed in one."""
    return vars(network).get("precision_in_steps")


def compute_in_bfloat16(module: "Players", asked: Mapping[str, str | Sequence[int] | None]) -> None:
    """Lets networks of a game, or stages of them, compute in bfloat16 in its training steps. Raises a RequestError if
    there are no such stages.

    asked: of each player, for all of its networks: `all`, the numbers of stages, or None for float32
    """
    switches = []
    for player in PLAYERS:
        if asked[player] is None:
            continue
        networks = networks_of(getattr(module, player), player)
        stages = None if asked[player] == "all" else sorted(set(asked[player]))
        for name, network in networks.items() if stages is not None else ():
            _require_stages(player, name, network, stages)
        switches += [Bfloat16(part, stages) for name, network in networks.items()
                     for part in called_in_training(network, name).values()]
    if switches:
        switch_on_in_steps(module, switches)


def _require_stages(player: str, name: str, network: nn.Module, numbers: Sequence[int]) -> None:
    typed = f"bf16.{player}={as_typed(list(numbers))}"
    if not isinstance(network, HasStages):
        raise RequestError(f"{typed}: {type(network).__name__} (model.{name}) does not say what its stages are, as it "
                           f"has no attribute `stages`: type bf16.{player}=all, or bf16.{player}=null for float32")
    count = len(network.stages)
    if not all(-count <= number < count for number in numbers):
        raise RequestError(f"{typed}: {type(network).__name__} (model.{name}) has {count} stages, from 0 at its input "
                           f"to {count - 1}, or from -{count} to -1: type "
                           f"bf16.{player}={as_typed(list(range(count)))} or some of these")
