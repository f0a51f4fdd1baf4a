"""Enlarges image files and images in memory with super-resolution networks."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "in_memory": "ImageUpscaler",
    "tiling": "TiledUpscaler",
})
