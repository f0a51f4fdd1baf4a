"""Runs on disk: one run and its files, and many runs read back."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "record": "Gathered Run Score",
    "gathering": "gather",
})
