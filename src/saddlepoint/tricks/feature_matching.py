"""Feature matching: G makes fakes that D's hidden layer takes for reals on average."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative, integer
from saddlepoint.game.networks import HasFeatures, called_in_training
from saddlepoint.game.precision import exact
from saddlepoint.game.recipe import Problem, Recipe, size_of
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.semi_supervised import mean_feature_distance
from saddlepoint.game.step import GeneratorStep, Shown, parts
from saddlepoint.game.trick import Trick


class FeatureMatching(Trick):
    """weight * ||E f(x) - E f(G(z))||^2 in G's loss, f(x) the activations of a hidden layer of D.

    Salimans et al. 2016, section 3.1, https://arxiv.org/abs/1606.03498. The means are over the batch, of each number of
    the layer by itself (of maps: of each pixel), and the square is summed over these numbers. D learns as ever. f is of
    what D is shown, i.e. behind instance noise and in packs.

    weight: 0 or more
    layer: of those that `features` of D returns, 0 the first behind the image; -1 the last, -2 the one before, ...
    replaces_adversarial: whether this is G's loss in the place of the adversarial term, as in the paper; false: beside
    """

    def __init__(self, weight: Schedule | NonNegative = 1.0, layer: Annotated[int, integer()] = -1,
                 replaces_adversarial: bool = True):
        super().__init__()
        self.weight = as_schedule(weight, "tricks.feature_matching.weight", low=0)
        self.layer, self.replaces_adversarial = layer, replaces_adversarial

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        typed = f"trick=[{self.name_in(recipe)}]"
        for name, network in recipe.discriminators.items():
            where = f"{type(network).__name__} (model.{name})"
            if not isinstance(network, HasFeatures):
                yield Problem(f"{typed} compares what a hidden layer of the discriminator computes, and {where} does "
                              "not show its own: give it a method `features`, choose another model, e.g. model=dcgan, "
                              "or leave the trick out", {"trick": recipe.trick_list(without=[self.name_in(recipe)])})
                continue
            for part, shapes in shapes_of_layers(recipe, name).items():
                if not -len(shapes) <= self.layer < len(shapes):
                    layers = ", ".join(f"{place} of {size_of(shape)}" for place, shape in enumerate(shapes)) or "none"
                    yield Problem(f"tricks.feature_matching.layer={self.layer} is no hidden layer of {where}{part}, "
                                  f"which has: {layers}", {"tricks.feature_matching.layer": -1} if shapes else {
                                      "trick": recipe.trick_list(without=[self.name_in(recipe)])})
                    break

    def schedules(self) -> Mapping[str, Schedule]:
        return {"weight": self.weight}

    def generator_loss(self, step: GeneratorStep) -> Tensor:
        return step.value(self.weight) * mean_feature_distance(
            self.numbers(step, step.real, step.real_labels), self.numbers(step, step.fake, step.fake_labels))

    def numbers(self, step: GeneratorStep, shown: Shown, labels: Tensor) -> Tensor:
        """Returns what the layer computes of a side, [N, ...]."""
        return exact(layers_of(step.discriminator.features(*parts(step.prepare(shown)), labels))[self.layer])


def layers_of(features: Sequence[Tensor] | Tensor) -> Sequence[Tensor]:
    """Returns the layers that a discriminator shows, one alone as a list of one."""
    return [features] if isinstance(features, Tensor) else features


def shapes_of_layers(recipe: Recipe, name: str) -> dict[str, list[tuple[int, ...]]]:
    """Returns for each part of model.<name> that training calls, `` or e.g. `, level 2`, the shapes of the layers that
    it shows, without the batch; {} of a network that does not fit the data."""
    network: nn.Module = recipe.networks[name]
    parts, shapes = called_in_training(network, ""), {}
    observed = [part.register_forward_pre_hook(partial(_observe, shapes, name)) for name, part in parts.items()]
    try:
        with torch.no_grad():
            network(*recipe.module.example_inputs(recipe)[name])
    except (KeyError, RuntimeError, TypeError, ValueError):  # which the check of shapes says in its own words
        return {}
    finally:
        for each in observed:
            each.remove()
    return shapes


def _observe(shapes: dict[str, list[tuple[int, ...]]], name: str, part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    shapes[name] = [tuple(layer.shape[1:]) for layer in layers_of(part.features(*inputs))]
