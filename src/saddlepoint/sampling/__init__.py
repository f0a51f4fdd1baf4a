"""Draws from a trained run's generator."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "generator": "SamplingGenerator",
    "loading": "load_generator",
})
