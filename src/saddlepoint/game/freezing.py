"""Keeps the first layers of discriminators as they are: FreezeD (Mo, Cho and Shin 2020,
https://arxiv.org/abs/2002.10964), for games that start from the weights of another."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

from saddlepoint.game.networks import HasStages, networks_of
from saddlepoint.game.precision import layers_of

if TYPE_CHECKING:
    from saddlepoint.game.players import Players

NORMALISATIONS = (_NormBase, nn.GroupNorm, nn.LayerNorm)  # they belong to the layer before them
OUTPUTS = ("logit", "logits")
OF_PARAMETRIZATIONS = "parametrizations"  # torch's name for what computes a weight from others, as spectral_norm does


def freezable_layers(network: nn.Module) -> list[list[nn.Module]]:
    """Returns what counts as a layer of a network, from its input onwards, each as the modules that belong to it.

    A network with `stages` has these. In any other each module with weights of its own begins a layer, to which the
    normalisation, activation and dropout behind it belong, in the order in which the constructor makes them. What reads
    labels does not count, and neither does what gives the logits: the part called logit or logits and all that is made
    after it, or the last layer where there is no such part.
    """
    if isinstance(network, HasStages):
        return [layers_of(stage) for stage in network.stages]
    layers: list[list[nn.Module]] = []
    named = next((name for name, _ in network.named_children() if name in OUTPUTS), None)
    for module in modules_that_see_images(network, named):
        has_weights = bool(module._parameters) or parametrize.is_parametrized(module)
        if has_weights and not isinstance(module, NORMALISATIONS):
            layers.append([module])
        elif layers and not [*module.children()]:
            layers[-1].append(module)
    return layers if named else layers[:-1]


def modules_that_see_images(network: nn.Module, before: str | None = None) -> Iterator[nn.Module]:
    """Yields the modules of a network, at any depth, without embeddings of classes and parts that begin with one; only
    those made before the part of this name, if there is a name."""
    for name, module in network.named_children():
        if name == before:
            return
        first = next(module.children(), None)
        if name != OF_PARAMETRIZATIONS and not isinstance(module, nn.Embedding) and not isinstance(first, nn.Embedding):
            yield module
            yield from modules_that_see_images(module)


def freeze_first_layers(game: "Players", count: int) -> None:
    """Lets the first `count` layers of each of D's networks stay as they are to the last bit, while G's gradients still
    go through them.

    No optimizer trains their weights, and no trick may change them. They are in evaluation mode whatever mode the game
    is in: BatchNorm normalises by its running statistics and keeps them, spectral normalisation keeps its vectors, and
    dropout does nothing.
    """
    game.frozen_layers = count
    for layer in frozen_in(game):
        layer.requires_grad_(False).eval()


def frozen_in(game: "Players") -> Iterator[nn.Module]:
    """Yields the frozen modules of a game. They are looked up each time, as some are replaced (BatchNorm, by one of all
    processes)."""
    if game.frozen_layers:
        for network in networks_of(game.discriminator, "discriminator").values():
            for layer in freezable_layers(network)[:game.frozen_layers]:
                yield from layer
