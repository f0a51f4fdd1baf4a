"""The interface of extractors, the networks that turn images into features for metrics.

N images of C channels and H x W pixels, or points; D features, K classes, E spatial features.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from saddlepoint.config.image_sizes import Sides
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import in_float32


class Embedding(NamedTuple):
    """The output of an extractor for N images."""

    features: Tensor  # [N, D] float32
    logits: Tensor | None  # [N, K] float32 of the classes the extractor knows; None when it knows none
    spatial: Tensor | None = None  # [N, E] float32, activations that keep their places in the image; None: it has none
    modes: Tensor | None = None  # [N] int64, the mode of each image as `mode_rule` has it; None: no rule


class ModeRule(NamedTuple):
    """The way in which an extractor assigns each image, or point, to one of the modes of the data.

    A mode is a word of `length` labels: the nearest centre of a mixture is one label of K, the digits of a stack are
    several of 10. Modes are numbered as words are sorted.
    """

    words: str  # e.g. each channel's most probable class by a classifier that is right on 99.2 % of held-out digits
    labels: int  # from which each place of a word is chosen
    length: int = 1  # places of a word
    leaves_out: bool = False  # whether what is of low quality belongs to no mode, and has the number -1
    accuracy: float | None = None  # of a classifier, on images held out, 0 to 1; None: no classifier decides

    @property
    def count(self) -> int:
        """Returns the number of modes there are."""
        return self.labels ** self.length


class HasShape(Protocol):
    """A set of images, or of points."""

    channels: int
    image_size: int | Sides
    dimensions: int | None  # D, coordinates of a point; None: these are images


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
    mode_rule: ModeRule | None = None  # None: it tells no modes apart

    @abstractmethod
    def check(self, channels: int, image_size: int | Sides) -> None:
        """Raises a RequestError if the network cannot take images of this shape."""

    def check_points(self, dimensions: int) -> None:
        """Raises a RequestError if the network cannot take points of D coordinates, as hardly any can."""
        raise RequestError(f"extractor={self.name} looks at images, and these are points of {dimensions} "
                           f"coordinate{'s' if dimensions > 1 else ''}: type extractor=mixture")

    def check_set(self, data: HasShape) -> None:
        """Raises a RequestError if the network cannot take the images or points of a set."""
        if not getattr(data, "bounded", True):
            raise RequestError(f"extractor={self.name} looks at images, and data={data.name} has numbers that are no "
                               "colours: decode them and compare folders, evaluate.py real=FOLDER fake=FOLDER")
        if data.dimensions is None:
            self.check(data.channels, data.image_size)
        else:
            self.check_points(data.dimensions)

    @property
    def why_no_modes(self) -> str:
        """Returns why it tells no modes apart, for the end of a sentence, where it has no `mode_rule`."""
        return (f"{self.name} tells none apart: type extractor=mixture for points, or extractor=stacked_digits for "
                "stacks of digits")

    def __call__(self, images: Tensor) -> Any:
        """Computes `forward` in float32, whatever precision the code around it chose: TF32 or half precision would move
        every number."""
        with in_float32(images.device):
            return super().__call__(images)

    @abstractmethod
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8, or points [N, D] float32 -> features [N, D], logits [N, K] and spatial [N, E],
        float32, and modes [N]"""
