"""Trains, compares and samples generative adversarial networks. docs/python.md shows these functions in use."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "commands.interface": "audit augment compare evaluate export invert load_run prepare sample train translate "
                           "upscale",
    "sampling.loading": "load_generator",
    "sampling.showing": "grid",
})
