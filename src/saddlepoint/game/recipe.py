"""Finds every reason why a recipe cannot train, and what to type instead, before any memory is allocated.

N images in a batch, C channels, H x W pixels.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from saddlepoint.game.networks import HasClassLogits

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

    generator: nn.Module
    discriminator: nn.Module
    loss: "AdversarialLoss"
    loss_name: str  # as typed after loss=
    tricks: "Mapping[str, Trick]"  # in the order given
    turns: "Turns"
    module: "type[AdversarialModule]"  # the task: how fakes are made
    latents: "Latents | None"  # None: fakes are not made from noise
    channels: int
    image_size: int
    num_classes: int  # 0 when the data has no classes
    batch_size: int
    content: frozenset[str] = frozenset()  # when content losses count: always, warmup, game
    scale: int | None = None  # how much smaller the data's low-resolution images are; None: it has none

    def provides(self, requirement: str) -> bool:
        """Returns whether one of the tricks provides what a loss or a network requires, e.g. lipschitz."""
        return any(requirement in trick.provides for trick in self.tricks.values())

    def trick_list(self, *, add: Iterable[str] = (), without: Iterable[str] = ()) -> list[str]:
        """Returns the list to type after trick=, without those in `without` and with those in `add` at its end."""
        left_out = set(without)
        return [*(name for name in self.tricks if name not in left_out), *add]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.channels, self.image_size, self.image_size

    @property
    def discriminator_mixes_images(self) -> bool:
        """Whether D has BatchNorm, so that D(x_i) and its gradient depend on the other images of the batch."""
        return has_batch_norm(self.discriminator)


def has_batch_norm(network: nn.Module) -> bool:
    return bool(batch_norms(network))


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def problems(recipe: Recipe) -> list[Problem]:
    """Returns every reason why the recipe cannot train, from the loss, the tricks and the shapes, each once."""
    complaints = [*recipe.loss.problems(recipe)]
    for name, trick in recipe.tricks.items():
        complaints += trick.problems(recipe)
        if not trick.acts:
            complaints.append(Problem(f"trick={name} does nothing: {type(trick).__name__} overrides no method by which "
                                      "a trick acts, e.g. discriminator_loss. Is its name misspelt?"))
    complaints += _batch_problems(recipe)
    complaints += _class_problems(recipe)
    complaints += _shape_problems(recipe)
    return list({problem.reason: problem for problem in complaints}.values())


def warnings(recipe: Recipe) -> list[str]:
    """Returns sentences about a recipe that can train, but hardly as its user intends."""
    sentences = [sentence for trick in recipe.tricks.values() for sentence in trick.warnings(recipe)]
    if isinstance(recipe.discriminator, HasClassLogits) and not recipe.provides("class_terms"):
        sentences.append("the discriminator tells classes apart only if it is taught to, and without that the "
                         "generator's classes mean nothing: add trick=[auxiliary_classifier]")
    conditional = [getattr(network, "num_classes", 0) for network in (recipe.generator, recipe.discriminator)]
    if recipe.latents and conditional[1] and not conditional[0]:
        sentences.append("the discriminator is conditional and the generator is not (it has no attribute num_classes): "
                         "its images cannot be of the classes that the discriminator is told")
    return sentences


def _batch_problems(recipe: Recipe) -> Iterator[Problem]:
    if recipe.turns.scoring == "half" and recipe.batch_size % 2:
        yield Problem(f"model.turns.scoring=half splits a batch in two, and data.batch_size={recipe.batch_size} is odd",
                      {"data.batch_size": recipe.batch_size + 1})
    elif recipe.turns.real_images(recipe.batch_size) < 2:
        for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
            if has_batch_norm(network):
                yield Problem(f"data.batch_size={recipe.batch_size} leaves BatchNorm in the {name} a single image, and "
                              "one image has no statistics", {f"model.{name}.normalization": "layer"})


def _class_problems(recipe: Recipe) -> Iterator[Problem]:
    for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        classes = getattr(network, "num_classes", 0)
        if classes and not recipe.num_classes:
            yield Problem(f"model.{name} is conditional ({classes} classes) and the data has no classes "
                          "(data.num_classes=0): choose data with classes or an unconditional model, e.g. model=dcgan")
        elif classes and classes != recipe.num_classes:
            yield Problem(f"model.{name}.num_classes={classes} and data.num_classes={recipe.num_classes} must be equal",
                          {f"model.{name}.num_classes": recipe.num_classes})


def _shape_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields the task's problems with G; if there are none, runs two images through D on the meta device."""
    generator_problems = list(recipe.module.problems(recipe))
    yield from generator_problems
    if generator_problems:
        return
    labels = torch.zeros(2, dtype=torch.long, device="meta")
    try:
        logits = tuple(recipe.discriminator(torch.empty(2, *recipe.image_shape, device="meta"), labels).shape)
    except (RuntimeError, TypeError, ValueError) as error:
        yield Problem(f"the discriminator does not fit images of {size_of(recipe.image_shape)} (data.channels, "
                      f"data.image_size): {error}")
        return
    if logits != (2,) and logits[:2] != (2, 1):
        yield Problem(f"the discriminator must give one logit an image, [N] or [N, 1, h, w], and gives {list(logits)}")


def size_of(shape: tuple[int, ...]) -> str:
    """Writes a shape as people do, e.g. 3 x 32 x 32."""
    return " x ".join(map(str, shape))
