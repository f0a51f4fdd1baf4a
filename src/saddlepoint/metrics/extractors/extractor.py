"""What a metric sees of an image. N images of C channels and H x W pixels; D features, K classes."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class Embedding(NamedTuple):
    features: Tensor  # [N, D] float32
    logits: Tensor | None  # [N, K] float32 of the classes the extractor knows; None when it knows none


class Extractor(nn.Module, ABC):
    """A fixed network, in evaluation mode and without gradients. It brings images to the size it needs by itself.

    Numbers measured through two extractors have nothing to do with each other: `name` ends the name of every metric
    (fid_digits), `digest` and `resize` stand in its protocol.
    """

    name: str
    digest: str  # SHA-256 of the weights, hexadecimal
    resize: str  # the rule, e.g. "bilinear, antialiased, to 32 x 32"
    num_features: int  # D
    num_classes: int = 0  # K
    class_names: tuple[str, ...] = ()

    @abstractmethod
    def check(self, channels: int, image_size: int) -> None:
        """Raises RequestError if it cannot look at images of this shape."""

    @abstractmethod
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8"""
