"""Rebuilds the generator of a trained run and draws images from it."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "generator": "SamplingGenerator",
    "inversion": "Inversion Search invert psnr",
    "loading": "load_generator",
    "showing": "grid",
    "translation": "load_translator translate",
})
