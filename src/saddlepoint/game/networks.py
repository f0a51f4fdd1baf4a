"""What a network must be to play the game. Any nn.Module with these calls does: nothing is inherited.

N images of C channels and H x W pixels, float32 in [-1, 1]. Labels are int64 class ids and are always passed, so no
caller asks whether a network is conditional; one that is not ignores them. Both networks must also build and run on
`torch.device("meta")`, where the recipe check looks at them.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor


class Generator(Protocol):
    latent_dim: int

    def __call__(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W] in [-1, 1]"""


class Discriminator(Protocol):
    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N], or [N, 1, h, w] with one score per patch; never a sigmoid"""


@runtime_checkable
class HasFeatures(Protocol):
    """A discriminator that shows what it sees on the way to its logit; feature matching asks for it."""

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        """images [N, C, H, W], labels [N] -> one tensor [N, ...] per hidden layer or block, from the image inwards"""


@runtime_checkable
class HasClassLogits(Protocol):
    """A discriminator that also says which of K classes an image shows; the trick auxiliary_classifier trains it."""

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] (not to be read: they are what is asked for) -> [N, K]"""
