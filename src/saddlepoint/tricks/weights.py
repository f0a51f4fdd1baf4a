"""Tricks that bound the weights of D, and so the slope of its score."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrizations import spectral_norm

from saddlepoint.config.rules import Count, number
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Update
from saddlepoint.game.trick import Trick
from saddlepoint.tricks.gradient_penalty import GradientPenalty


class WeightClipping(Trick):
    """w <- min(max(w, -limit), limit) for every parameter of D that is trained, after each of its steps.

    Arjovsky, Chintala and Bottou 2017, https://arxiv.org/abs/1701.07875, algorithm 1.
    """

    provides = frozenset({"lipschitz"})

    def __init__(self, limit: Annotated[Schedule | float, number(1e-6)] = 0.01):
        super().__init__()
        self.limit = as_schedule(limit, "tricks.weight_clipping.limit", low=1e-6)

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        penalties = [name for name, trick in recipe.tricks.items() if isinstance(trick, GradientPenalty)]
        name = self.name_in(recipe)
        if penalties:
            yield Problem(
                f"trick=[{name}] cuts off the weights by which trick=[{','.join(penalties)}] steers the "
                "discriminator's gradients: one of the two is enough",
                instead={"trick": recipe.trick_list(without=[name])})

    def schedules(self) -> Mapping[str, Schedule]:
        return {"limit": self.limit}

    @torch.no_grad()
    def after_discriminator_step(self, update: Update) -> None:
        limit = update.value(self.limit)
        weights = [weight for weight in update.discriminator.parameters() if weight.requires_grad]
        if update.left_out is None:
            torch._foreach_clamp_min_(weights, -limit)
            torch._foreach_clamp_max_(weights, limit)
            return
        bound = torch.where(update.left_out > 0, torch.inf, limit)  # read on the device only
        for weight in weights:
            weight.clamp_(-bound, bound)


class SpectralNorm(Trick):
    """w <- w / sigma(w), sigma the largest singular value, in every convolution, linear layer and embedding of D.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957, section 2.1 and algorithm 1. Sigma is estimated by
    power iteration, with `power_iterations` (1 or more) for each forward pass in training; its vectors are buffers of
    the network. `generator`: normalises G as well.
    """

    provides = frozenset({"lipschitz"})
    changes_networks = True

    def __init__(self, generator: bool = False, power_iterations: Count = 1):
        super().__init__()
        if power_iterations < 1:
            raise ValueError(f"tricks.spectral_norm.power_iterations={power_iterations} must be at least 1")
        self.generator, self.power_iterations = generator, power_iterations

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        for name, network in recipe.discriminators.items():
            if not any(map(is_normalised, network.modules())):  # also with generator=true: it `provides` a bound of D
                yield Problem(f"trick=[{self.name_in(recipe)}] normalises convolutions, linear layers and embeddings "
                              f"of torch, and {type(network).__name__} (model.{name}) has none whose weights are not "
                              "scaled already: leave it out, or choose another model, e.g. model=dcgan",
                              {"trick": recipe.trick_list(without=[self.name_in(recipe)])})

    def warnings(self, recipe: Recipe) -> Iterable[str]:
        if mixing := recipe.discriminators_that_mix_images:
            unbounded = " and ".join(f"model.{network}.normalization=none" for network in mixing)
            yield (f"trick=[{self.name_in(recipe)}] bounds each layer of the discriminator, and BatchNorm scales what "
                   f"comes out of them freely: {unbounded} keeps the bound")
        for network, layer in recipe.comparing_layers:
            yield (f"trick=[{self.name_in(recipe)}] bounds what a score can change by a change of its own image, and "
                   f"with model.{network}.{layer.setting} the other images of the batch change it too: "
                   f"model.{network}.{layer.setting}=null keeps the bound")

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        for network in (generator, discriminator) if self.generator else (discriminator,):
            for layer in list(network.modules()):
                if is_normalised(layer):
                    spectral_norm(layer, n_power_iterations=self.power_iterations)


def is_normalised(layer: nn.Module) -> bool:
    """Returns whether spectral normalisation takes a layer. A weight that is parametrised already is no longer a
    parameter of its layer, and is left as it is."""
    return isinstance(layer, nn.Linear | _ConvNd | nn.Embedding) and "weight" in layer._parameters
