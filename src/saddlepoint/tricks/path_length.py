"""Path length regularisation: a step in latent space changes the image equally much everywhere."""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import Count, NonNegative, number
from saddlepoint.game.modes import switched_off
from saddlepoint.game.networks import HasMapping, HasStylesOfLayers
from saddlepoint.game.precision import exact, precision_of
from saddlepoint.game.recipe import Problem, Recipe, batch_norms
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import GeneratorStep
from saddlepoint.game.trick import Trick
from saddlepoint.parallel.collectives import global_mean
from saddlepoint.tricks.from_latents import latents_problems, single_fakes
from saddlepoint.tricks.gradient_penalty import UNDER_ROOT
from saddlepoint.tricks.look_ahead import with_own_buffers

if TYPE_CHECKING:
    from saddlepoint.game.players import Players


class PathLength(Trick):
    """weight * E[(||J^T y|| - a)^2] in G's loss: J the Jacobian of an image of P pixels in its latents, y ~ N(0, 1/P).

    Karras et al. 2020 (StyleGAN2), section 3.2 and appendix B, https://arxiv.org/abs/1912.04958. a is the running mean
    of the lengths ||J^T y||: a <- a + decay * (E||J^T y|| - a) before the term is computed, from 0 on, and a constant
    of the loss. So lengths are drawn to 0 at first, as in the authors' code. a is a buffer, one for all contests.

    The latents are those of G's update, z; of a generator with a mapping the styles w are differentiated. Where layers
    have styles of their own (model=stylegan2) the length is the root of the mean square over layers, as in the
    authors' code, to which their weight belongs; in the paper's J all layers share one w. The images are made again, in
    float32, from every `shrink`-th latent. With BatchNorm in G, J^T y is that of the batch as a whole; running
    statistics stay.

    weight: 0 or more; the authors' is 2
    every: rounds of turns, 1 or more: one of G's turns in so many has the term, so many times as strong
    decay: 0 to 1
    shrink: 1 or more
    """

    differentiates_twice: ClassVar[bool] = True

    def __init__(self, weight: Schedule | NonNegative = 2.0, every: Count = 4,
                 decay: Annotated[float, number(0, 1, above=True)] = 0.01, shrink: Count = 2):
        super().__init__()
        self.weight = as_schedule(weight, "tricks.path_length.weight", low=0)
        for setting, value in (("every", every), ("shrink", shrink)):
            if value < 1:
                raise ValueError(f"tricks.path_length.{setting}={value} must be at least 1")
        if not 0 < decay <= 1:
            raise ValueError(f"tricks.path_length.decay={decay} must be above 0 and at most 1")
        self.every, self.decay, self.shrink = every, decay, shrink
        self.register_buffer("mean_length", torch.zeros(()))

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        yield from latents_problems(self, recipe)
        fakes = recipe.turns.generator_fakes(recipe.turns.real_images(recipe.batch_size))
        least = 2 if batch_norms(recipe.generator) else 1
        if -(-fakes // self.shrink) < least:
            yield Problem(f"tricks.path_length.shrink={self.shrink} leaves BatchNorm in the generator a single one of "
                          f"{fakes} fakes, and one image has no statistics", {"tricks.path_length.shrink": 1})

    def join(self, game: "Players") -> None:
        self.of_game = (game,)

    def schedules(self) -> Mapping[str, Schedule]:
        return {"weight": self.weight}

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns whether G's turn after this batch has the term."""
        [game] = self.of_game
        return images_seen // batch_size // game.turns.discriminator_steps % self.every == 0

    def generator_loss(self, step: GeneratorStep) -> Tensor | None:
        if not step.variant(self):
            return None
        latents, labels, _ = single_fakes(step)
        lengths = self.lengths(step, latents[::self.shrink], labels[::self.shrink])
        self.mean_length.lerp_(global_mean(lengths.detach().mean()).to(self.mean_length), self.decay)
        strength = step.value(lambda images_seen: self.every * self.weight(images_seen))
        return strength * (lengths - self.mean_length).square().mean()

    def lengths(self, step: GeneratorStep, latents: Tensor, labels: Tensor) -> Tensor:
        """Returns ||J^T y|| [n] of latents [n, L] with labels [n], each for a y of its own."""
        with torch.autocast(latents.device.type, enabled=False), switched_off(precision_of(step.generator)):
            styles, images = images_of(step.generator, exact(latents), labels)
            noise = step.random.normal("path_length", tuple(images.shape)) / math.sqrt(images.shape[2:].numel())
            [slopes] = torch.autograd.grad((images * noise).sum(), styles, create_graph=True, materialize_grads=True)
        return (slopes.square().sum(-1).reshape(len(slopes), -1).mean(1) + UNDER_ROOT).sqrt()


def images_of(generator: nn.Module, latents: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns what the generator's images are differentiated in, latents [N, L] or styles [N, ..., L], of each layer
    where layers have their own, and the images [N, C, H, W]."""
    apart, latents = with_own_buffers(generator), latents.detach().requires_grad_()
    if isinstance(generator, HasMapping):
        styles = apart.mapping(latents, labels)
        if isinstance(generator, HasStylesOfLayers):
            styles = generator.of_layers(styles)
        return styles, apart.synthesis(styles)
    return latents, apart(latents, labels)
