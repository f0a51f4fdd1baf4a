"""Starts a generator from the weights of another run or file, which model.initialise names."""

from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.upscaling import weights


def initialise(generator: nn.Module, source: str) -> None:
    """Copies the weights of `source` into the generator. `source` is anything that upscale.py takes as weights=. Raises
    a RequestError if it is another network, whose tensors have other names or shapes."""
    try:
        trained = weights.load(source).network
    except RequestError as error:
        raise RequestError(f"model.initialise={source} cannot be used: {error}") from error
    state, own_state = trained.state_dict(), generator.state_dict()
    differing = [f"{name} is {shape_in(state, name)} there and {shape_in(own_state, name)} here"
                 for name in {**own_state, **state} if shape_in(state, name) != shape_in(own_state, name)]
    if differing:
        raise RequestError(f"model.initialise={source} holds {describe(trained)} and model.generator is "
                           f"{describe(generator)}: they must be the same network, and {differing[0]}")
    generator.load_state_dict(state)


def shape_in(state: dict, name: str) -> str:
    return str([*state[name].shape]) if name in state else "missing"


def describe(network: nn.Module) -> str:
    """Returns words for a network of super-resolution, e.g. RRDBNet (x4, 16,697,987 weights)."""
    return f"{type(network).__name__} (x{network.scale}, {sum(p.numel() for p in network.parameters()):,} weights)"
