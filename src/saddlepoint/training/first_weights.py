"""A generator that does not start from random numbers: model.initialise."""

from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.upscaling import weights


def initialise(generator: nn.Module, source: str) -> None:
    """`source`: whatever upscale.py takes as weights= that is the same network, tensor by tensor."""
    try:
        found = weights.load(source).network
    except RequestError as error:
        raise RequestError(f"model.initialise={source} cannot be used: {error}") from error
    state, wanted = found.state_dict(), generator.state_dict()
    differing = [f"{name} is {shape_in(state, name)} there and {shape_in(wanted, name)} here"
                 for name in {**wanted, **state} if shape_in(state, name) != shape_in(wanted, name)]
    if differing:
        raise RequestError(f"model.initialise={source} holds {described(found)} and model.generator is "
                           f"{described(generator)}: they must be the same network, and {differing[0]}")
    generator.load_state_dict(state)


def shape_in(state: dict, name: str) -> str:
    return str([*state[name].shape]) if name in state else "missing"


def described(network: nn.Module) -> str:
    """e.g. RRDBNet (x4, 16,697,987 weights)"""
    return f"{type(network).__name__} (x{network.scale}, {sum(p.numel() for p in network.parameters()):,} weights)"
