"""Unrolled GANs: G plays against the discriminator that D would become."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import WholeNumber, one_of
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.loss import SeparableLoss
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import DiscriminatorStep, GeneratorStep, Step, total_of
from saddlepoint.game.trick import Trick, overrides
from saddlepoint.game.turns import SCORINGS
from saddlepoint.parallel.collectives import global_mean
from saddlepoint.tricks import look_ahead
from saddlepoint.tricks.weights import WeightClipping

if TYPE_CHECKING:
    from saddlepoint.game.players import Players


class Unrolled(Trick):
    """Lets G minimise its loss against D after k further updates, and differentiates through these updates.

    psi_0 = psi, psi_{i+1} = psi_i - rate dL_D(theta, psi_i)/dpsi_i, and G descends dL_G(theta, psi_k(theta))/dtheta. So
    G learns how D would answer, and that gathering its fakes in one place is of no use. D's own updates are as ever.
    Metz et al. 2017, section 2, equations 6 to 9, https://arxiv.org/abs/1611.02163.

    L_D is D's whole loss, with penalties and other terms of tricks, on the reals and fakes of G's update, the same in
    all k updates. psi_k depends on theta, and so does D's term on reals there, which the paper's G maximises as well:
    with `reals` it is subtracted from G's loss (`generator/unrolled`), unless that has the reals already. With
    loss=minimax and loss.reduction=sum (mean halves the term on reals alone) G's loss is then the paper's. In a game of
    several contests D looks ahead in each by itself.

    Buffers of D, such as running statistics and the vectors of spectral normalisation, go on in a copy for these
    updates. The look-ahead is not clipped, and has no terms of the task.

    steps: k, 0 or more; 0 is the game without the trick. Each is a gradient of D that is differentiated once more, and
        takes about two updates of D
    optimizer: adam: as D's own Adam, from the averages that it has now, as in the authors' code; sgd: plain steps.
        Both have D's learning rate
    reals: whether G's loss has D's term on reals
    """

    differentiates_twice: ClassVar[bool] = True

    def __init__(self, steps: WholeNumber = 5, optimizer: Annotated[str, one_of(*look_ahead.RULES)] = "adam",
                 reals: bool = True):
        super().__init__()
        if steps < 0:
            raise ValueError(f"tricks.unrolled.steps={steps} must be at least 0 updates of D")
        if optimizer not in look_ahead.RULES:
            raise ValueError(f"tricks.unrolled.optimizer={optimizer} must be one of {', '.join(look_ahead.RULES)}")
        self.steps, self.optimizer, self.reals = steps, optimizer, reals

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        typed = f"trick=[{self.name_in(recipe)}]"
        without = {"trick": recipe.trick_list(without=[self.name_in(recipe)])}
        if recipe.turns.scoring == "half":
            yield Problem(f"{typed} looks ahead by updates of the discriminator on reals and fakes, and model.turns."
                          "scoring=half makes one on each", {"model.turns.scoring": "separate"})
        for name, trick in recipe.tricks.items():
            if isinstance(trick, WeightClipping):
                yield Problem(f"{typed} differentiates through updates of the discriminator, and trick=[{name}] cuts "
                              "its weights off after each: use another bound, e.g. spectral_norm, or leave one out",
                              without)
            elif overrides(trick, "weights_loss"):
                yield Problem(f"{typed} looks ahead by the discriminator's loss on images, and trick=[{name}] adds a "
                              "term on weights: leave out one of the two", without)
        if recipe.module.discriminator_terms is not AdversarialModule.discriminator_terms:
            yield Problem(f"{typed} looks ahead by what the discriminator learns from its logits, and here it learns "
                          f"more ({recipe.module.__name__}, model.module): choose another model, e.g. model=dcgan, or "
                          "leave the trick out", without)

    def join(self, game: "Players") -> None:
        if self.steps:
            look_ahead.refuse_unlike(self.optimizer, game.players_optimizers.trials["discriminator"],
                                     "tricks.unrolled.optimizer")
        self.of_game = (game,)

    def opponent(self, step: Step) -> nn.Module:
        if not self.steps:
            return step.discriminator
        [game] = self.of_game
        optimizer = game.optimizers()[1].optimizer
        score = SCORINGS[game.turns.scoring][0]

        def gradient_of(discriminator: nn.Module, weights: Sequence[Tensor]) -> Sequence[Tensor]:
            there = replace(step, discriminator=discriminator)
            scored = DiscriminatorStep(**vars(there), sides=score(there))
            loss = total_of(game.discriminator_loss([scored], game.targets([there])))
            gradients = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
            return [global_mean(gradient) for gradient in gradients]

        return look_ahead.ahead(step.discriminator, optimizer, self.optimizer, self.steps, gradient_of)

    def generator_loss(self, step: GeneratorStep) -> Tensor | None:
        if not (self.steps and self.reals and isinstance(step.loss, SeparableLoss)) or len(step.sides) == 2:
            return None
        [game] = self.of_game
        [targets] = game.targets([step])
        return -step.loss.real_term(step.score(step.real, step.real_labels), targets)
