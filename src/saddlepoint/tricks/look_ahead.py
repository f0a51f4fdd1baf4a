"""Makes updates of a network that are only tried, and can be differentiated: its weights stay, and what they would
become is a function of all that the updates were made of.

P numbers are trained, in one vector [P].
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adam, Optimizer

from saddlepoint.config.rules import as_typed
from saddlepoint.errors import RequestError
from saddlepoint.game.precision import precision_of

# The slope of sqrt(s) is infinite at s = 0. That of sqrt(s + UNDER_ROOT) is finite, and where s is 0 the root is a
# hundredth of Adam's usual eps.
UNDER_ROOT = 1e-20


class Elsewhere(nn.Module):
    """A network at other weights: its call and its methods compute with `tensors` in the place of its own ones.

    network: stays as it is, buffers included
    tensors: parameters and buffers, by the network's names; buffers are changed in place where a layer does that
    """

    def __init__(self, network: nn.Module, tensors: dict[str, Tensor]):
        super().__init__()
        self.network, self.tensors = network, tensors
        self.precision_in_steps = precision_of(network)

    def forward(self, *inputs: Tensor) -> Tensor:
        return functional_call(self.network, self.tensors, inputs)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yields the buffers that are computed with here."""
        return (self.tensors[name] for name, _ in self.network.named_buffers(recurse=recurse))

    def __getattr__(self, name: str) -> Any:
        """Returns a method or another attribute of the network that is not one of nn.Module's."""
        if name in self._modules:
            return self._modules[name]
        found = getattr(self._modules["network"], name)
        return partial(self._call, name) if callable(found) and not isinstance(found, nn.Module) else found

    def _call(self, method: str, *inputs: Tensor) -> Any:
        tensors = {f"network.{name}": tensor for name, tensor in self.tensors.items()}
        return functional_call(_Method(self.network, method), tensors, inputs)


def with_own_buffers(network: nn.Module) -> Elsewhere:
    """Returns the network with copies of its buffers, so that a call changes none of its running statistics."""
    return Elsewhere(network, {name: buffer.clone() for name, buffer in network.named_buffers()})


class _Method(nn.Module):
    """A module whose call is a method of a network."""

    def __init__(self, network: nn.Module, method: str):
        super().__init__()
        self.network, self.method = network, method

    def forward(self, *inputs: Tensor) -> Any:
        return getattr(self.network, self.method)(*inputs)


class Rule(Protocol):
    """How an optimizer would move the weights, update after update."""

    def moved(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """weights [P], gradient [P] -> weights [P] after one more update, differentiable in both"""


class GradientDescent:
    """w <- w - rate g"""

    def __init__(self, optimizer: Optimizer, parameters: Sequence[nn.Parameter]):
        self.rate = optimizer.param_groups[0]["lr"]

    def moved(self, weights: Tensor, gradient: Tensor) -> Tensor:
        return weights - self.rate * gradient


class AdamFromHere:
    """Adam (Kingma and Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980) that goes on with the averages and the
    number of updates that an optimizer has come to, which stay as they are.

    With averages that begin at 0 the first update would be rate g / |g|, whose derivative is 0.
    """

    def __init__(self, optimizer: Optimizer, parameters: Sequence[nn.Parameter]):
        group, states = optimizer.param_groups[0], [optimizer.state.get(each, {}) for each in parameters]
        self.rate, self.betas, self.epsilon = group["lr"], group["betas"], group["eps"]
        self.mean, self.square = (flattened([state[name] if state else torch.zeros_like(each) for each, state in zip(
            parameters, states, strict=True)]) for name in ("exp_avg", "exp_avg_sq"))
        self.count = next((state["step"].to(self.mean.dtype) for state in states if state), 0)

    def moved(self, weights: Tensor, gradient: Tensor) -> Tensor:
        of_mean, of_square = self.betas
        self.count = self.count + 1
        self.mean = of_mean * self.mean + (1 - of_mean) * gradient
        self.square = of_square * self.square + (1 - of_square) * gradient.square()
        root = (self.square / (1 - of_square ** self.count) + UNDER_ROOT).sqrt()
        return weights - self.rate * (self.mean / (1 - of_mean ** self.count) / (root + self.epsilon))


RULES: dict[str, tuple[type[Optimizer] | None, type[Rule]]] = {"adam": (Adam, AdamFromHere),
                                                               "sgd": (None, GradientDescent)}
UNKNOWN_OF_ANY = ("weight_decay", "maximize")  # that change what an update is for
UNKNOWN = ("weight_decay", "amsgrad", "maximize", "momentum", "nesterov")  # of an optimizer, to the rules


def refuse_unlike(name: str, optimizer: Optimizer, setting: str) -> None:
    """Raises a RequestError if the rule of this name cannot do what D's optimizer does.

    setting: of the name, as typed
    """
    typed, kind = f"{setting}={name}", type(optimizer).__name__
    needed, _ = RULES[name]
    if needed and not isinstance(optimizer, needed):
        raise RequestError(f"{typed} goes on with the averages of D's own {needed.__name__}, and optimizer."
                           f"discriminator is {kind}: type {setting}=sgd, or optimizer=adam")
    known = isinstance(optimizer, Adam if name == "adam" else SGD)
    unknown = UNKNOWN if known else UNKNOWN_OF_ANY
    if unlike := [each for each in unknown if optimizer.param_groups[0].get(each)]:
        kind = kind if known else "gradient descent"
        value, where = optimizer.param_groups[0][unlike[0]], f"optimizer.discriminator.{unlike[0]}"
        raise RequestError(f"{typed} looks ahead by plain {kind}, and {where}={as_typed(value)} is more than that: "
                           f"type {where}={'false' if value is True else 0}")


def flattened(tensors: Sequence[Tensor]) -> Tensor:
    """Returns all numbers of the tensors, one tensor after the other, [P]."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def ahead(network: nn.Module, optimizer: Optimizer, rule: str, steps: int,
          gradient_of: Callable[[nn.Module, Sequence[Tensor]], Sequence[Tensor]]) -> Elsewhere:
    """Returns the network where `steps` updates would bring it.

    optimizer: trains those of the network's parameters that are to move
    rule: adam or sgd, with the optimizer's settings
    gradient_of: called with the network at some weights and with these weights; returns their gradients with a graph
    """
    trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
    parameters = {name: each for name, each in network.named_parameters() if id(each) in trained}
    fixed = {name: each.detach() for name, each in network.named_parameters() if name not in parameters}
    fixed |= {name: each.clone() for name, each in network.named_buffers()}
    sizes = [each.numel() for each in parameters.values()]

    def at(weights: Tensor) -> Elsewhere:
        pieces = zip(parameters.items(), weights.split(sizes), strict=True)
        return Elsewhere(network, {name: piece.view(each.shape) for (name, each), piece in pieces} | fixed)

    moving = RULES[rule][1](optimizer, [*parameters.values()])
    weights = flattened([each.detach() for each in parameters.values()]).requires_grad_()
    for _ in range(steps):
        here = at(weights)
        gradients = gradient_of(here, [here.tensors[name] for name in parameters])
        weights = moving.moved(weights, flattened(gradients))
    return at(weights)
