"""The game of two players: one adversarial loss, a list of tricks. The training step exists here and nowhere else.

Read step.py first, which says what a contest is, then this file, then turns.py, which says who moves when.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.modes import evaluating, frozen
from saddlepoint.game.players import Players
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import Contest, DiscriminatorStep, GeneratorStep, Step, Targets
from saddlepoint.game.task import Task
from saddlepoint.game.turns import SCORINGS, Plan, Turns, score_for_generator

Terms = dict[str, Tensor]  # the terms [] of a player's loss, by name


class AdversarialModule(Task, Players):
    """The game of a generator and a discriminator, each of one network or several; see Players for their settings.

    One batch is one update of D; G moves when `turns` says so. A player's loss is a sum over all contests of a batch.
    `adversarial_weight`, 0 or more, is a factor on the adversarial terms of G's loss.
    """

    def __init__(self, loss: AdversarialLoss, turns: Turns, adversarial_weight: NonNegative = 1.0, **more):
        super().__init__(**more)
        self.loss, self.turns, self.adversarial_weight = loss, turns, adversarial_weight
        self.plan = Plan(True, 1)  # of the present step
        self.register_buffer("real_target", torch.tensor(1.0), persistent=False)
        self.register_buffer("fake_target", torch.tensor(0.0), persistent=False)

    # A task overrides these, and what task.py has: its networks, and what it cannot do.

    shares_fakes = False  # True: D's and G's updates on a batch use the same fakes, computed once

    def contests(self, batch: ImageBatch, count: int, random: RandomStreams) -> list[Contest]:
        """Returns what the discriminators have to tell apart, with `count` new fakes in each contest."""
        raise TypeError(f"{type(self).__name__} does not say how its fakes are made")

    def for_discriminator(self, contests: list[Contest], random: RandomStreams) -> list[Contest]:
        """Returns what D's update is shown in place of these contests, which have no gradients."""
        return contests

    def generator_terms(self, batch: ImageBatch, contests: list[Contest]) -> Terms:
        """Returns the terms [] of G's loss that neither the adversarial loss nor a trick adds, by name."""
        return {}

    def discriminator_terms(self, batch: ImageBatch, contests: list[Contest]) -> Terms:
        """Returns the terms [] of D's loss that neither the adversarial loss nor a trick adds, by name."""
        return {}

    def play(self, batch: ImageBatch) -> None:
        self.plan = self.turns.plan(self.images_seen, self.discriminator_steps_taken, self.accuracy)
        with self.recorder.step(self, batch) as batch:
            if self.turns.order == "simultaneous":
                self.take_turn("both", self.update_both, batch)
                return
            moves = self.plan.discriminator
            contests = self.take_turn("discriminator", self.update_discriminator, batch) if moves else None
            for _ in range(self.plan.generator):
                self.guard.begin_update(self)
                self.take_turn("generator", self.update_generator, batch, contests)
                contests = None  # G has moved: its next update makes other fakes

    def update_discriminator(self, batch: ImageBatch, random: RandomStreams) -> list[Contest] | None:
        """Returns the contests, with G's graph, if G's update that follows uses the same fakes."""
        shares = ((self.shares_fakes or self.turns.share_latents) and self.plan.generator > 0
                  and not self.turns.fakes_in_eval)
        with torch.set_grad_enabled(shares), evaluating(self.generator, self.turns.fakes_in_eval):
            contests = self.contests(batch, self.turns.discriminator_fakes(len(batch.real)), random)
        shown = self.for_discriminator([contest.detached() for contest in contests], random)
        steps = [self.tricks.differentiable(self.step(contest, batch, random)) for contest in shown]
        targets, summed = self.targets(steps), Terms()  # over all updates: two where D scores half a batch at a time
        for score in SCORINGS[self.turns.scoring]:
            self.guard.begin_update(self)
            scored = [DiscriminatorStep(**vars(step), sides=score(step)) for step in steps]
            terms = self.discriminator_loss(scored, targets) | self.discriminator_terms(batch, shown)
            terms["total"] = self.players_optimizers.step(self, "discriminator", terms)
            self.remember_logits(scored)
            summed |= {name: summed[name] + term if name in summed else term for name, term in terms.items()}
        self.end_update("discriminator", summed, batch, random)
        return contests if shares else None

    def update_generator(self, batch: ImageBatch, random: RandomStreams, contests: list[Contest] | None) -> None:
        """Updates G on these contests, or on new ones."""
        latent_random = random
        if self.turns.share_latents:  # the numbers of D's last update, from their beginning
            latent_random = random.of_player("discriminator", self.discriminator_steps_taken - 1)
        with frozen(self.parameters_of["discriminator"]):
            contests = contests or self.contests(batch, self.turns.generator_fakes(len(batch.real)), latent_random)
            terms = self.generator_terms(batch, contests)
            if self.plan.discriminator:  # else G warms up, on the task's terms alone
                steps = [self.tricks.with_opponent(self.step(contest, batch, random)) for contest in contests]
                scored = [GeneratorStep(**vars(step), sides=self.tricks.generator_sides(
                    score_for_generator(step), step)) for step in steps]
                terms = self.generator_loss(scored, terms)
            terms["total"] = self.players_optimizers.step(self, "generator", terms)
        self.end_update("generator", terms, batch, random)

    def update_both(self, batch: ImageBatch, random: RandomStreams) -> None:
        """Updates both players, with gradients at the same weights."""
        terms, scored = self.terms_of_both(batch, random)
        terms = self.tricks.with_both_losses(terms, self.parameters_of, self.update_on(batch, random))
        totals = self.players_optimizers.step_both(self, terms)
        self.remember_logits(scored)
        for player in terms:
            self.end_update(player, terms[player] | {"total": totals[player]}, batch, random)

    def terms_of_both(self, batch: ImageBatch, random: RandomStreams) -> tuple[dict[str, Terms], list[Step]]:
        """Returns each player's terms, from one pass through the networks, and what D scored."""
        contests = self.contests(batch, self.turns.discriminator_fakes(len(batch.real)), random)
        steps = [self.step(contest, batch, random) for contest in contests]
        sides = [SCORINGS[self.turns.scoring][0](step) for step in steps]
        of_discriminator, of_generator = ([kind(**vars(steps[i]), sides=sides[i]) for i in range(len(steps))]
                                          for kind in (DiscriminatorStep, GeneratorStep))
        return {"discriminator": self.discriminator_loss(of_discriminator, self.targets(steps))
                | self.discriminator_terms(batch, [contest.detached() for contest in contests]),
                "generator": self.generator_loss(of_generator, self.generator_terms(batch, contests))}, of_discriminator

    def step(self, contest: Contest, batch: ImageBatch, random: RandomStreams) -> Step:
        return Step(*self.tricks.contest(contest), self.images_seen, len(batch.real) * random.num_processes, random,
                    self.loss, self.tricks.discriminator_input, tape=self.recorder.tape)

    def targets(self, steps: Sequence[Step]) -> list[Targets]:
        return [self.tricks.targets(Targets(self.real_target, self.fake_target), step) for step in steps]

    def discriminator_loss(self, steps: Sequence[DiscriminatorStep], targets: Sequence[Targets]) -> Terms:
        terms = Terms()
        for step, target in zip(steps, targets, strict=True):
            terms[step.named("adversarial")] = step.adversarial(target)
            terms |= self.tricks.discriminator_losses(step)
        return terms | self.tricks.weights_losses("discriminator", steps[0])

    def generator_loss(self, steps: Sequence[GeneratorStep], more: Terms) -> Terms:
        terms = {step.named("adversarial"): self.adversarial_weight * step.adversarial() for step in steps} | more
        for step in steps:
            terms = self.tricks.with_generator_losses(terms, step)
        return terms | self.tricks.weights_losses("generator", steps[0])

    def end_update(self, player: str, terms: Terms, batch: ImageBatch, random: RandomStreams) -> None:
        self.remember(player, terms)
        if not self.guard.repeats:
            self.tricks.after_step(player, self.update_on(batch, random))
