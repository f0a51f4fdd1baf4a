"""What an augmentation is: a random function of each image, differentiable in the image.

N images of C channels and H x W pixels in [-1, 1]; p the probability of the augmentation.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from saddlepoint.game.random_streams import RandomStreams


class Draws:
    """The random numbers [N] of one augmentation of N images, by name.

    All are drawn by two calls, so a step pays for two, and no setting moves the numbers of another transformation.

    probability: 0 to 1, a number or a tensor [] on the device, which is not read
    chances: names of the transformations, each with a number that decides whether an image has it
    shares: names of numbers that are uniform on [0, 1)
    normals: names of numbers from N(0, 1)
    """

    def __init__(self, random: RandomStreams, purpose: str, images: Tensor, probability: float | Tensor,
                 chances: Sequence[str], shares: Sequence[str] = (), normals: Sequence[str] = ()):
        self.random, self.purpose, self.images, count = random, purpose, images, len(images)
        # A tensor in any case, so that a recorded step, which is given one, rounds alike.
        self.probability = (probability if isinstance(probability, Tensor) else
                            torch.full((), probability, dtype=torch.float32, device=images.device))
        uniform = random.uniform(purpose, (count, len(chances) + len(shares))).unbind(1)
        self.chances = dict(zip(chances, uniform[:len(chances)], strict=True))
        self.shares = dict(zip(shares, uniform[len(chances):], strict=True))
        self.normals: dict[str, Tensor] = {}
        if normals:
            numbers = random.normal(f"{purpose}/normal", (count, len(normals))).unbind(1)
            self.normals = dict(zip(normals, numbers, strict=True))

    def happens(self, name: str, multiplier: float = 1.0) -> Tensor:
        """Returns whether each image has a transformation [N], with probability multiplier * p."""
        return self.chances[name] < multiplier * self.probability

    def share(self, name: str) -> Tensor:
        """Returns numbers [N], uniform on [0, 1)."""
        return self.shares[name].to(self.images.dtype)

    def normal(self, name: str) -> Tensor:
        """Returns numbers [N] from N(0, 1)."""
        return self.normals[name].to(self.images.dtype)

    def noise(self) -> Tensor:
        """Returns numbers from N(0, 1) for all pixels [N, C, H, W]."""
        return self.random.normal(f"{self.purpose}/pixels", tuple(self.images.shape)).to(self.images.dtype)


class Policy(nn.Module):
    """An augmentation: which transformations there are, how often and how strong.

    An image that no transformation hits stays as it is, bit for bit. It is computed in float32 at least, also under
    autocast: a sum of random factors in 8 bits would be another image.
    """

    channels: Sequence[int] | None = None  # that it can change; None: any number

    def forward(self, images: Tensor, probability: float | Tensor, random: RandomStreams,
                purpose: str = "augment") -> Tensor:
        """images [N, C, H, W] -> augmented images [N, C, H, W], not confined to [-1, 1]

        probability: 0 to 1, a number or a tensor [] on the device
        purpose: of the random numbers
        """
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        with torch.autocast(images.device.type, enabled=False):
            return self.augmented(exact, probability, random, purpose)

    @abstractmethod
    def augmented(self, images: Tensor, probability: float | Tensor, random: RandomStreams, purpose: str) -> Tensor:
        """Returns the augmented images [N, C, H, W] of images that are float32 or float64."""

    def reorienting(self) -> Iterable[str]:
        """Yields the settings, without their place, by which images are mirrored or turned by a quarter or more. No
        character survives that."""
        return ()


def chosen(which: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    """Returns the changed images [N, C, H, W] where `which` [N], and the others bit for bit."""
    return torch.where(which.view(-1, 1, 1, 1), changed, images)


def refuse_outside(where: str, low: float, high: float, **settings: float) -> None:
    """Raises a ValueError if a setting is outside low .. high. `where`: its place, e.g. tricks.augment.policy"""
    for name, value in settings.items():
        if not low <= value <= high:
            bounds = f"from {low:g} to {high:g}" if high < float("inf") else f"at least {low:g}"
            raise ValueError(f"{where}.{name}={value:g} must be {bounds}")
