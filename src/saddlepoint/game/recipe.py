"""What a recipe is, and the reasons why one cannot train.

N images in a batch, C channels, H x W pixels; or N points of D coordinates, or N shapes of S x S x S voxels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.game.networks import PLAYERS, ComparesImages
from saddlepoint.game.trick import images_of_a_pack

if TYPE_CHECKING:
    from saddlepoint.game.adversarial import AdversarialModule
    from saddlepoint.game.latents import Latents
    from saddlepoint.game.loss import AdversarialLoss
    from saddlepoint.game.trick import Trick
    from saddlepoint.game.turns import Turns


@dataclass(frozen=True)
class Problem:
    """A reason why a recipe cannot train. `instead` has the settings that would remove it, if there are any."""

    reason: str
    instead: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Everything that is about to be trained. Its networks are on the meta device, so they take no memory."""

    networks: Mapping[str, nn.Module]  # by name: generator, discriminator and those that the task needs beside them
    loss: "AdversarialLoss"
    loss_name: str  # as typed after loss=
    tricks: "Mapping[str, Trick]"  # in the order given
    turns: "Turns"
    module: "type[AdversarialModule]"  # the task: how fakes are made
    latents: "Latents | None"  # None: fakes are not made from noise
    channels: int | None  # None: the data are points or voxels
    image_size: int | Sequence[int] | None  # pixels of a side of squares, or H and W; None: as channels
    num_classes: int  # 0 when the data has no classes
    batch_size: int
    source_channels: int | None = None  # of the images that are translated; None: the data has none
    content: frozenset[str] = frozenset()  # when content losses count: always, warmup, game
    frozen_layers: int = 0  # first layers of D's networks that stay as they are
    starts_at_random: bool = True  # D's first weights do not come from elsewhere
    scale: int | None = None  # how much smaller the data's low-resolution images are; None: it has none
    dimensions: int | None = None  # coordinates of the data's points; None: the data are images or voxels
    edge: int | None = None  # voxels along each edge of the data's shapes; None: the data are images or points
    bounded: bool = True  # the data's numbers are in [-1, 1]
    of_characters: bool = False  # the data are digits or letters: mirrored or turned, they are others or none
    fixed_packs: int = 1  # points of the data that follow each other in every epoch; 1: each comes by itself

    def provides(self, requirement: str) -> bool:
        """Returns whether one of the tricks provides what a loss or a network requires, e.g. lipschitz."""
        return any(requirement in trick.provides for trick in self.tricks.values())

    def trick_list(self, *, add: Iterable[str] = (), without: Iterable[str] = ()) -> list[str]:
        """Returns the list to type after trick=, without those in `without` and with those in `add` at its end."""
        left_out = set(without)
        return [*(name for name in self.tricks if name not in left_out), *add]

    @property
    def generator(self) -> nn.Module:
        return self.networks["generator"]

    @property
    def discriminator(self) -> nn.Module:
        return self.networks["discriminator"]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.channels, *sides_of(self.image_size)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of what D judges and G makes: (C, H, W) of an image, (D,) of a point, (1, S, S, S) of voxels."""
        if self.edge is not None:
            return 1, self.edge, self.edge, self.edge
        return self.image_shape if self.dimensions is None else (self.dimensions,)

    @property
    def shape_settings(self) -> str:
        """The settings that say what shape the data have."""
        if self.edge is not None:
            return "data.edge"
        return "data.channels, data.image_size" if self.dimensions is None else "data.dimensions"

    @property
    def data_words(self) -> str:
        """What the data are, with the settings that say so, e.g. `images of 3 x 32 x 32 (data.channels, ...)`."""
        return f"{in_words(self.sample_shape)} ({self.shape_settings})"

    @property
    def images_of_a_pack(self) -> int:
        """How many images the discriminator is shown as one (trick=packing); 1: each by itself."""
        return images_of_a_pack(self.tricks.values())

    @property
    def shown_shape(self) -> tuple[int, ...]:
        """The shape of what the discriminator is shown as one image or point, without the batch."""
        return packed(self.sample_shape, self.images_of_a_pack)

    @property
    def discriminators(self) -> dict[str, nn.Module]:
        """The networks of D's player by name."""
        players = dict(zip(PLAYERS, PLAYERS, strict=True)) | self.module.further_networks
        return {name: network for name, network in self.networks.items() if players[name] == "discriminator"}

    @property
    def discriminators_that_mix_images(self) -> list[str]:
        """The names of discriminators with BatchNorm: D(x_i) and its gradient depend on the batch's other images."""
        return [name for name, network in self.discriminators.items() if has_batch_norm(network)]

    @property
    def comparing_layers(self) -> list[tuple[str, ComparesImages]]:
        """The layers by which discriminators compare the images of a batch, each after its network's name."""
        return [(name, layer) for name, network in self.discriminators.items() for layer in network.modules()
                if isinstance(layer, ComparesImages)]


def packed(shape: Sequence[int], images: int) -> tuple[int, ...]:
    """Returns the shape of so many images side by side: C or D times as many."""
    return images * shape[0], *shape[1:]


def has_batch_norm(network: nn.Module) -> bool:
    return bool(batch_norms(network))


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def one_fake_each_problems(recipe: Recipe, sources: str) -> Iterator[Problem]:
    """Yields what a task cannot do whose fakes are made of a batch's own images, one of each. `sources`: their name."""
    for setting in ("generator_batch_multiple", "fake_batch_multiple"):
        if (value := getattr(recipe.turns, setting)) != 1:
            yield Problem(f"model.turns.{setting}={value} asks for more fakes than there are {sources} to make them "
                          "from", {f"model.turns.{setting}": 1})
    if recipe.turns.scoring == "half":
        yield Problem("model.turns.scoring=half shows the discriminator half a batch of reals and a whole one of "
                      f"fakes, and here each fake is made of one of the {sources}", {"model.turns.scoring": "separate"})


def discriminator_problems(recipe: Recipe, *shapes: tuple[int, ...], name: str = "discriminator") -> Iterator[Problem]:
    """Yields what keeps the network model.<name> from scoring sides with parts of these shapes, without the batch.

    Without `shapes`, a side is an image or a point of the data. The network is run on two rows on the meta device, of
    packs where it is shown packs.
    """
    pack = recipe.images_of_a_pack
    parts = [torch.empty(2, *packed(shape, pack), device="meta") for shape in shapes or [recipe.sample_shape]]
    labels = torch.zeros(2, dtype=torch.long, device="meta")
    words = name.replace("_", " ")
    try:
        logits = tuple(recipe.networks[name](*parts, labels).shape)
    except (RuntimeError, TypeError, ValueError) as error:
        shown = " beside ".join(map(size_of, shapes))
        of_data = f"images of {shown} (data.channels, data.image_size)" if shapes else recipe.data_words
        yield Problem(f"the {words} does not fit {of_data}{f', in packs of {pack}' if pack > 1 else ''}: {error}")
        return
    if logits != (2,) and logits[:2] != (2, 1):
        each = {1: "a point", 3: "an image", 4: "a shape"}[len(recipe.sample_shape)]
        yield Problem(f"the {words} must give one logit {each}, [N] or [N, 1, h, w], and gives {list(logits)}")


def in_words(shape: tuple[int, ...]) -> str:
    """Writes what has such a shape, e.g. images of 3 x 32 x 32, points of 2 coordinates or shapes of 32 x 32 x 32
    voxels."""
    if len(shape) == 4:
        return f"shapes of {size_of(shape[1:])} voxels"
    if len(shape) != 1:
        return f"images of {size_of(shape)}"
    return f"points of {shape[0]} coordinate{'s' if shape[0] > 1 else ''}"


def size_of(shape: tuple[int, ...]) -> str:
    """Writes a shape as people do, e.g. 3 x 32 x 32."""
    return " x ".join(map(str, shape))
