"""The interface of extractors, the networks that turn images into features for metrics.

N images of C channels and H x W pixels; D features, K classes, E spatial features.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

from saddlepoint.game.modes import in_float32


class Embedding(NamedTuple):
    """The output of an extractor for N images."""

    features: Tensor  # [N, D] float32
    logits: Tensor | None  # [N, K] float32 of the classes the extractor knows; None when it knows none
    spatial: Tensor | None = None  # [N, E] float32, activations that keep their places in the image; None: it has none


class Extractor(nn.Module, ABC):
    """A fixed network in evaluation mode, without gradients, which itself brings images to the size that it needs.

    Values that were measured through different extractors cannot be compared. So `name` is part of the name of every
    value (fid_digits), and `digest` and `resize` are part of its protocol.
    """

    name: str
    digest: str  # SHA-256 of the weights, hexadecimal
    resize: str  # the rule, e.g. "bilinear, antialiased, to 32 x 32"
    num_features: int  # D
    num_classes: int = 0  # K
    num_spatial: int = 0  # E
    class_names: tuple[str, ...] = ()

    @abstractmethod
    def check(self, channels: int, image_size: int) -> None:
        """Raises a RequestError if the network cannot take images of this shape."""

    def __call__(self, images: Tensor) -> Any:
        """Computes `forward` in float32, whatever precision the code around it chose: TF32 or half precision would move
        every number."""
        with in_float32(images.device):
            return super().__call__(images)

    @abstractmethod
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, D], logits [N, K] and spatial [N, E], float32"""
