"""Augmentations of images that D is shown: policies, and the operations that they are made of."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"ada": "ADA", "diffaugment": "DiffAugment", "policy": "Policy"})
