"""LeCam regularisation: D's logits stay near the mean of the other side."""

from collections.abc import Callable, Hashable, Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import BelowOne, NonNegative, WholeNumber, one_of
from saddlepoint.game.networks import called_in_training, networks_of
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import DiscriminatorStep
from saddlepoint.game.trick import Trick
from saddlepoint.parallel.collectives import global_mean
from saddlepoint.tricks.look_ahead import Elsewhere

FORMS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "equation": lambda distance: distance}


class LeCam(Trick):
    """weight * (E[f(D(x) - a_F)^2] + E[f(a_R - D(G(z)))^2]), with a_R and a_F running means of D(x) and D(G(z)).

    Tseng et al. 2021, https://arxiv.org/abs/2104.03310. form=equation: f(d) = d, as in the paper; form=relu:
    f(d) = max(0, d), as in the authors' code, which leaves alone reals below the mean fake, and fakes above the mean
    real.

    a <- decay * a + (1 - decay) * mean of the batch, over all processes, before the term is computed. Until `start`
    there is no term and a is the newest mean. In a game of several contests each discriminator has its own means. In
    updates that are only tried (trick=unrolled) they stay where they are.

    weight: 0 or more, 0.3 in the authors' code for BigGAN on CIFAR-10
    decay: 0 or more and below 1
    start: real images seen, 0 or more; the authors' 1,000 updates of G are 200000, with 4 batches of 50 for D in each
    """

    def __init__(self, weight: Schedule | NonNegative = 0.3, decay: BelowOne = 0.99, start: WholeNumber = 0,
                 form: Annotated[str, one_of(*FORMS)] = "relu"):
        super().__init__()
        self.weight = as_schedule(weight, "tricks.lecam.weight", low=0)
        if not 0 <= decay < 1:
            raise ValueError(f"tricks.lecam.decay={decay} must be at least 0 and below 1")
        if start < 0:
            raise ValueError(f"tricks.lecam.start={start} must be at least 0 real images seen")
        if form not in FORMS:
            raise ValueError(f"tricks.lecam.form={form} must be one of {', '.join(FORMS)}")
        self.decay, self.start, self.excess = decay, start, FORMS[form]

    def schedules(self) -> Mapping[str, Schedule]:
        return {"weight": self.weight}

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        parts = [part for name, network in networks_of(discriminator, "discriminator").items()
                 for part in called_in_training(network, name).values()]
        self.number_of = {id(part): number for number, part in enumerate(parts)}
        for side in ("real", "fake"):
            self.register_buffer(f"{side}_means", torch.zeros(len(self.number_of)))
            self.register_buffer(f"{side}_updates", torch.zeros(len(self.number_of)))

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns whether there is a term."""
        return images_seen >= self.start

    def discriminator_loss(self, step: DiscriminatorStep) -> Tensor | None:
        is_tried = isinstance(step.discriminator, Elsewhere)
        judge = step.discriminator.network if is_tried else step.discriminator
        number, has_begun = self.number_of[id(judge)], step.variant(self)
        for side in () if is_tried else step.sides:
            self.follow(f"{side.name}_means", f"{side.name}_updates", number, side.logits, has_begun)
        if not has_begun:
            return None
        terms = [self.excess(side.logits - self.fake_means[number] if side.name == "real" else
                             self.real_means[number] - side.logits).square().mean() for side in step.sides]
        return step.value(self.weight) * sum(terms)

    @torch.no_grad()
    def follow(self, means: str, updates: str, number: int, logits: Tensor, has_begun: bool) -> None:
        """Moves a running mean towards these logits; the first mean is theirs."""
        mean, seen = getattr(self, means)[number], getattr(self, updates)[number]
        share = 1 - self.decay * (seen > 0) if has_begun else 1.0
        mean += share * (global_mean(logits.mean()) - mean)
        seen += 1
