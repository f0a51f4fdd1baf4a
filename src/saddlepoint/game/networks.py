"""The two players and the interfaces of their networks. Any nn.Module with these calls will do; nothing is inherited.

N images of C channels and H x W pixels, float32 in [-1, 1]; or, in the place of images, N points [N, D]. Labels are
int64 class ids and are always passed, so no caller asks whether a network is conditional; an unconditional one ignores
them. Both networks must also build and run on `torch.device("meta")`, where the recipe is checked.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

PLAYERS = ("generator", "discriminator")  # in the order of their optimizers
# Methods of the networks below, which training calls beside the networks.
METHODS = ("class_logits", "codes", "distribution", "encodings", "features")


def networks_of(player: nn.Module, name: str) -> dict[str, nn.Module]:
    """Returns the networks of a player by name. One that is no nn.ModuleDict is a single network, called `name`."""
    return dict(player.items()) if isinstance(player, nn.ModuleDict) else {name: player}


def called_in_training(network: nn.Module, name: str) -> dict[str, nn.Module]:
    """Returns what training calls of a network, by name: the network itself, or each of its levels."""
    if not isinstance(network, HasLevels):
        return {name: network}
    return {f"{name}, level {number}": level for number, level in enumerate(network.pyramid_levels, 1)}


class Generator(Protocol):
    """A network that makes images from latents and labels."""

    latent_dim: int

    def __call__(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> images [N, C, H, W] in [-1, 1]"""


class Discriminator(Protocol):
    """A network that scores images as real or fake, given their labels."""

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> logits [N], or [N, 1, h, w] with one score per patch; never a sigmoid"""


@runtime_checkable
class HasStages(Protocol):
    """A network of stages, the parts that compute at one resolution, of which each may have a precision of its own."""

    @property
    def stages(self) -> Sequence[nn.Module | Sequence[nn.Module]]:
        """Each stage, a layer or several, from the input onwards. Layers are called in this order, with a tensor as
        their first argument."""


@runtime_checkable
class HasMapping(Protocol):
    """A generator of two parts: a mapping of latents to styles w, and the synthesis of images from these."""

    def mapping(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] -> styles [N, ...]"""

    def synthesis(self, styles: Tensor) -> Tensor:
        """styles [N, ...] -> images [N, C, H, W] in [-1, 1]"""


@runtime_checkable
class HasMeanStyle(HasMapping, Protocol):
    """A generator with a mapping that knows the mean of its styles, which truncation moves others towards."""

    mean_style: Tensor  # [...], as one style


@runtime_checkable
class HasStylesOfLayers(HasMapping, Protocol):
    """A generator with a mapping whose layers may have styles of their own."""

    def of_layers(self, styles: Tensor) -> Tensor:
        """styles [N, W] -> the same one for each layer [N, layers, W], which synthesis takes as well"""


@runtime_checkable
class MixesStyles(HasMapping, Protocol):
    """A generator with a mapping that in training gives later layers the styles of other latents, which it draws
    itself, from N(0, I)."""

    style_mixing: float  # the share of images, 0 to 1


def mixes_styles(generator: nn.Module) -> bool:
    """Returns whether a generator makes other images of the same latents whenever it is called in training."""
    return isinstance(generator, MixesStyles) and generator.style_mixing > 0


@runtime_checkable
class HasFeatures(Protocol):
    """A discriminator that returns the activations of its hidden layers, which feature matching compares."""

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor] | Tensor:
        """images [N, C, H, W], labels [N] -> one tensor [N, ...] per hidden layer or block, from the image inwards; or
        the last one alone, not in a list"""


@runtime_checkable
class HasClassLogits(Protocol):
    """A discriminator that also says which of K classes an image shows; the trick auxiliary_classifier trains it."""

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> [N, K]. Must not read labels: they are the answer"""


@runtime_checkable
class KeepsStatistics(Protocol):
    """A part of a generator that computes statistics of its weights and of images that never change, in each call or
    once (networks/virtual_batch.py). While `keeps` is true weights must not change."""

    keeps: bool
    size: int  # images whose statistics these are

    def keep(self, active: bool) -> None:
        """Keeps the statistics from the next call on, or computes them in each call again."""


@runtime_checkable
class ComparesImages(Protocol):
    """A layer of a discriminator whose output for an image depends on the other images of the batch, by design.

    setting: of model.discriminator that puts it there and that null takes away
    group: images that are compared with each other and follow each other in the batch; None: all of the batch
    """

    setting: str
    group: int | None


@runtime_checkable
class HasBoundary(Protocol):
    """A discriminator whose logits lie about the one at which the loss is indifferent between real and fake."""

    def follow_loss(self, boundary: float | None) -> None:
        """Takes that logit from the loss (AdversarialLoss.boundary), before training; None: only differences count."""


@runtime_checkable
class HasCodes(Protocol):
    """A discriminator that also guesses the codes of fakes (game/structured_latents.py); model=infogan trains it."""

    def codes(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> [N, code_size]: logits of each categorical code's values, in the order of
        the latents, then the means of the continuous codes. Must not read labels where those tell the codes"""


@runtime_checkable
class IsAutoencoder(Protocol):
    """A discriminator that encodes an image and reconstructs it, and scores it by how well (loss=ebgan)."""

    def encodings(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> the codes [N, L] that images are reconstructed from"""

    def reconstructions(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> images [N, C, H, W] in [-1, 1], made of their codes"""


@runtime_checkable
class HasLevels(Protocol):
    """A network of parts, one for each level of a pyramid of images, which training calls one by one in its place."""

    @property
    def pyramid_levels(self) -> Sequence[nn.Module]:
        """The parts, the coarsest level first."""


@runtime_checkable
class Encoder(Protocol):
    """A network that maps images to latents; a stochastic one gives a Gaussian, from which the task draws."""

    latent_dim: int

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> latents [N, latent_dim], the means if the encoder is stochastic"""

    def distribution(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """images [N, C, H, W], labels [N] -> means and standard deviations [N, latent_dim]; None: deterministic"""

    def features(self, images: Tensor, labels: Tensor) -> Tensor:
        """images [N, C, H, W], labels [N] -> the last hidden layer [N, D], which probes read"""
